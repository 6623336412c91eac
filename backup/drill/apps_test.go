//go:build integration

package drill

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"davit/backup"
	"davit/engine/enginetest"
)

// whenFree keeps a container waiting, without its server, while its own layer has the file /hold. That file is in no
// snapshot: what a drill makes of the container starts the server at once.
const whenFree = "while [ -e /hold ]; do sleep 0.1; done\n"

// postgresServer runs Debian's PostgreSQL, as process 1, on a cluster in /data, which is made when there is none.
const postgresServer = whenFree + `
as="setpriv --reuid=postgres --regid=postgres --init-groups"
[ -e /data/pg/PG_VERSION ] || { install -d -o postgres -m 700 /data/pg; $as /usr/lib/postgresql/15/bin/initdb -A trust -D /data/pg || exit 9; }
install -d -o postgres /run/postgresql
exec $as /usr/lib/postgresql/15/bin/postgres -D /data/pg`

// A PostgreSQL that is written to while it is saved comes back, and every table is read. One that cannot start, one whose
// table has lost its file, and one that makes itself anew because its files are gone each make the drill fail.
func TestPostgres(t *testing.T) {
	h := newRealHost(t, enginetest.DockerdOptions{})
	h.importPostgres(t)
	h.RunContainer(t, "--name", "pg", "--stop-signal", "SIGINT", "--label", backup.LabelApp+"=postgres", "-v", "pgdata:/data", "app:1", "sh", "-c", postgresServer)
	psql := func(database, sql string) string {
		return h.await(t, "pg", "psql", "-U", "postgres", "-d", database, "-At", "-v", "ON_ERROR_STOP=1", "-c", sql)
	}
	psql("postgres", "create database shop")
	psql("shop", `create table "Odd 'name" (x int)`)
	psql("postgres", "create table kept as select generate_series(1,1000) n")
	h.CLI(t, "exec", "-d", "pg", "sh", "-c", "while psql -U postgres -q -c 'insert into kept select generate_series(1,100)'; do sleep 0.05; done")
	enough := "select count(*) > 1000 and count(*) % 100 = 0 from kept"
	h.await(t, "pg", "sh", "-c", `psql -U postgres -At -c "`+enough+`" | grep t`)
	h.saveFrozen(t)
	report, err := h.drill(t, Options{Timeout: 90 * time.Second, Probes: []Probe{mustProbe(t, `pg=psql -U postgres -At -c "`+enough+`" | grep t`)}})
	if err != nil || report.Verdict != Passed {
		t.Fatalf("%v: %+v", err, report)
	}
	h.hasProbe(t, report, "container/pg", "postgres: every table is read", "2 tables in 2 databases")

	file := "/data/pg/" + psql("postgres", "select pg_relation_filepath('kept')")
	h.hold(t, "pg")
	h.spoiled(t, "pg", map[string]spoiling{
		"a table without its file":   {"mv " + file + " /away", "mv /away " + file, "probe", "could not open file"},
		"a server that cannot start": {"mv /data/pg/global/pg_control /away", "mv /away /data/pg/global/pg_control", "start", "pg_control"},
		"a server that begins anew":  {"mv /data/pg /away", "mv /away /data/pg", "probe", "0 tables"},
	})
}

// A Redis comes back with its keys; one whose dump is cut off makes the drill fail.
func TestRedis(t *testing.T) {
	h := newRealHost(t, enginetest.DockerdOptions{})
	h.importPackages(t, "redis-server")
	h.RunContainer(t, "--name", "cache", "--label", backup.LabelApp+"=redis", "-v", "keys:/data", "app:1", "sh", "-c",
		whenFree+"exec redis-server --dir /data --save '' --appendonly no")
	h.await(t, "cache", "sh", "-c", "redis-cli ping | grep PONG")
	h.CLI(t, "exec", "cache", "sh", "-c", "for n in $(seq 50); do redis-cli set key$n value$n; redis-cli -n 3 set other$n value$n; done; redis-cli save")
	h.saveFrozen(t)
	report, err := h.drill(t, Options{Timeout: 90 * time.Second})
	if err != nil || report.Verdict != Passed {
		t.Fatalf("%v: %+v", err, report)
	}
	h.hasProbe(t, report, "container/cache", "redis: its keys are there", "100 keys")

	h.hold(t, "cache")
	h.spoiled(t, "cache", map[string]spoiling{
		"a dump that is cut off": {"cp /data/dump.rdb /away; truncate -s 300 /data/dump.rdb", "cp /away /data/dump.rdb", "start", "RDB"},
	})
}

// hasProbe looks for the one probe with this text: it passed and found this.
func (h *realHost) hasProbe(t *testing.T, report *Report, about, text, found string) {
	t.Helper()
	for _, c := range report.find("probe", about) {
		if strings.HasPrefix(c.Detail, text) && c.Result == Pass && strings.HasSuffix(c.Detail, ": "+found) {
			return
		}
	}
	t.Errorf("no probe %q found %q: %+v", text, found, report.Checks)
}

// spoiling is damage to what a server keeps, how it is undone, and the check that fails of it with these words.
type spoiling struct{ spoil, mend, check, says string }

// spoiled saves a container that waits with each damage, and the drill fails of it.
func (h *realHost) spoiled(t *testing.T, container string, damages map[string]spoiling) {
	for name, d := range damages {
		t.Run(name, func(t *testing.T) {
			h.CLI(t, "exec", container, "sh", "-ec", d.spoil)
			defer h.CLI(t, "exec", container, "sh", "-ec", d.mend)
			id := h.save(t, backup.Selection{Containers: []string{container}})
			report, err := h.drill(t, Options{Spec: id, Timeout: 40 * time.Second})
			var failed *FailedError
			if !errors.As(err, &failed) || report.Verdict != Failed {
				t.Fatalf("%v: %+v", err, report.Checks)
			}
			c := report.find(d.check, "container/"+container)
			if len(c) != 1 || c[0].Result != Fail || !strings.Contains(c[0].Detail+c[0].Output, d.says) {
				t.Errorf("%+v", report.Checks)
			}
			for _, c := range report.Checks {
				if c.Result == Fail && c.Name != d.check {
					t.Errorf("%s failed too: %+v", c.Name, c)
				}
			}
		})
	}
}

// hold ends a container's server in good order, and lets the container wait without it.
func (h *realHost) hold(t *testing.T, container string) {
	t.Helper()
	h.CLI(t, "exec", container, "touch", "/hold")
	h.CLI(t, "stop", "-t", "60", container)
	h.CLI(t, "start", container)
}

// saveFrozen makes a snapshot of a server that writes.
func (h *realHost) saveFrozen(t *testing.T) {
	t.Helper()
	plan, err := backup.PlanCreate(t.Context(), h.env, backup.CreateOptions{Selection: backup.Selection{All: true}, MaxFreeze: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	report, err := backup.ApplyCreate(t.Context(), h.env, plan)
	if err != nil {
		t.Fatalf("%v: %+v", err, report.Problems)
	}
}

// importPostgres makes the image app:1 of Debian's PostgreSQL.
func (h *realHost) importPostgres(t *testing.T) {
	t.Helper()
	h.importTar(t, "pgimage.sh")
}

// importTar makes the image app:1 of the files that a script provides.
func (h *realHost) importTar(t *testing.T, script string, args ...string) {
	t.Helper()
	path, err := exec.Command("../../scripts/"+script, args...).Output()
	if err != nil {
		t.Fatalf("make the image: %v", err)
	}
	f, err := os.Open(strings.TrimSpace(string(path)))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h.CLIInput(t, f, "import", "-", "app:1")
}

// await runs a command in a container until it succeeds.
func (h *realHost) await(t *testing.T, args ...string) string {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		out, err := h.Try(nil, append([]string{"exec"}, args...)...)
		if err == nil {
			return strings.TrimSpace(out)
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v: %s", err, h.CLI(t, "logs", args[0]))
		}
	}
}
