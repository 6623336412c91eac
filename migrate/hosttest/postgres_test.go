//go:build integration

package hosttest

import (
	"fmt"
	"os/exec"
	"strings"
)

// postgres has PostgreSQL run on the host, and a client that writes to it all the time.
func (h *host) postgres() {
	h.t.Helper()
	cmd := exec.Command("../../scripts/pgimage.sh")
	tar, err := cmd.Output()
	if err != nil {
		h.t.Fatalf("scripts/pgimage.sh: %v", err)
	}
	h.Put(h.t, strings.TrimSpace(string(tar)), "/root/pg.tar")
	h.Put(h.t, "testdata/postgres.sh", "/root/postgres.sh")
	h.must("sh /root/postgres.sh")
	h.committed(3)
}

// committed waits for more rows, and checks that the database has every row that it said it had committed.
func (h *host) committed(more int) {
	h.t.Helper()
	var had int
	_, _ = fmt.Sscan(h.must("cat /root/committed 2> /dev/null | wc -l"), &had)
	h.waitFor("rows are written", fmt.Sprintf("[ $(wc -l < /root/committed) -gt %d ]", had+more))
	h.must(`cp /root/committed /root/want; sh /root/sql 'select id from t' | sort > /root/have; sort /root/want > /root/sorted
lost=$(comm -23 /root/sorted /root/have | wc -l); [ $lost = 0 ] || { echo "$lost rows are lost"; exit 1; }
sh /root/sql 'select count(*) from t where text <> repeat(md5(id::text), 20)' | grep -qx 0`)
}
