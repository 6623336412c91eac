//go:build integration

package e2e

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"davit/engine/enginetest"
)

// saveForever changes a tree, notes the sums of its files in it, saves it beside a volume, and prints the snapshot, again and
// again. A run that fails is the last one.
const saveForever = `cd /srv/tree
for round in $(seq 1000000); do
	for n in 1 2 3 4; do head -c $((round * n * 7919 % 400000)) /dev/urandom > f$((round * n % 40)); done
	rm -f f$((round % 40))
	sha256sum f* > SUMS
	if out=$(davit backup create --repo /srv/repo --job nightly --path /srv/tree --volume data --max-freeze 60s --json 2>&1); then
		echo "saved $(echo "$out" | sed -n 's/.*"snapshot":"\([0-9a-f]*\)".*/\1/p')"
	else
		echo failed $? $out
		exit
	fi
done`

// removeForever forgets all but three snapshots and collects, again and again.
const removeForever = `while :; do
	out=$(davit backup forget --repo /srv/repo --keep-last 3 --yes 2>&1 &&
		davit backup gc --repo /srv/repo --grace 0s --yes 2>&1) || { echo failed $? $out; exit; }
done`

// checkAll restores the tree of each snapshot, compares it with its sums, and prints the snapshot.
const checkAll = `set -e
for id in $(davit backup ls --repo /srv/repo --job nightly --quiet); do
	rm -rf /srv/out
	davit backup restore --repo /srv/repo $id:path/%2Fsrv%2Ftree --to /srv/out > /dev/null
	cd /srv/out
	sha256sum --check --quiet SUMS
	[ "$(ls | grep -c '^f')" = "$(wc -l < SUMS)" ]
	echo $id
done`

// The power of a host goes at any moment while one davit saves and another one forgets and collects. After each boot the
// newest snapshots that were announced are there, all that are there give back what they saved, and all goes on.
func TestPowerCutInCreateAndGC(t *testing.T) {
	s := newHostSite(t)
	s.Must(t, "mkdir", "/srv/tree")
	s.Must(t, "davit", "backup", "create", "--repo", "/srv/repo", "--volume", "data", "--max-freeze", "60s", "--job", "first") // the others are quicker
	random := enginetest.Random(t)
	var saved []string
	for round := range enginetest.Rounds(t, 5) {
		lines := s.cut(t, random, saveForever, removeForever)
		for _, line := range lines {
			if id, ok := strings.CutPrefix(line, "saved "); ok {
				saved = append(saved, id)
			} else if !strings.Contains(strings.ToLower(line), "input/output error") { // that is the cut
				t.Errorf("round %d: %s", round, line)
			}
		}
		there := strings.Fields(s.Must(t, "sh", "-c", checkAll))
		for _, id := range saved[max(0, len(saved)-2):] { // a third one may have made room for one that was not announced yet
			if !slices.Contains(there, id) {
				t.Errorf("round %d: %s was announced, and is not among %v", round, id, there)
			}
		}
		s.Must(t, "davit", "backup", "verify", "--repo", "/srv/repo", "--read-data")
		t.Logf("round %d: %d snapshots were announced, %d are there", round, len(saved), len(there))
	}
	if len(saved) < 4 {
		t.Errorf("only %d snapshots were made: nothing was removed", len(saved))
	}
}

// cut lets the scripts run, cuts the power off at some moment, boots, and returns what they printed until then.
func (s *hostSite) cut(t *testing.T, random *rand.Rand, scripts ...string) (lines []string) {
	t.Helper()
	outputs := make(chan string)
	for _, script := range scripts {
		go func() {
			out, _, _ := s.Run(t, "sh", "-c", script)
			outputs <- out
		}()
	}
	<-time.After(4*time.Second + time.Duration(random.IntN(6000))*time.Millisecond)
	s.PowerCut(t)
	for range scripts {
		lines = append(lines, strings.FieldsFunc(<-outputs, func(r rune) bool { return r == '\n' })...)
	}
	s.Boot(t)
	s.connect(t)
	return lines
}
