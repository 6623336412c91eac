//go:build integration

package hook

import (
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"davit/backup"
	"davit/backup/repo"
	"davit/engine"
	"davit/engine/enginetest"
	"davit/engine/guard"
	"davit/engine/guard/guardtest"
)

// TestMain lets the test's own binary be the guard that a backup starts.
func TestMain(m *testing.M) {
	guardtest.Main()
	os.Exit(m.Run())
}

// databases is an engine with an image of Debian's PostgreSQL, Redis, MariaDB and SQLite, and an empty repository.
type databases struct {
	*enginetest.Dockerd
	env *backup.Env
	log []Result
}

func newDatabases(t *testing.T) *databases {
	t.Helper()
	d := &databases{Dockerd: enginetest.StartDockerd(t, enginetest.DockerdOptions{})}
	dir := enginetest.Disk(t, 4<<30)
	d.importDebian(t, "postgresql-15,redis-server,mariadb-server,sqlite3")
	eng, err := engine.Connect(t.Context(), engine.Target{Host: d.Host})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { eng.Close() })
	r, err := repo.Init(filepath.Join(dir, "repo"), repo.Options{Host: "nas"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	d.env = &backup.Env{
		Repo: r, Engine: eng, Host: "nas", StateDir: filepath.Join(dir, "state"), CacheDir: filepath.Join(dir, "cache"), Now: time.Now, Rand: rand.Reader,
	}
	d.env.Hold = backup.GuardedBy(guard.Options{StateDir: backup.GuardFolder(d.env.StateDir), Endpoint: eng.Endpoint()}, guard.Of(eng))
	d.env.Hooks = New(eng, d.env.StateDir, time.Now, func(r Result) { d.log = append(d.log, r) })
	return d
}

// importDebian makes the image "db" of a Debian with some packages.
func (d *databases) importDebian(t *testing.T, packages string) {
	t.Helper()
	out, err := exec.Command("../../scripts/debimage.sh", packages).Output()
	if err != nil {
		t.Fatalf("make an image: %v", err)
	}
	tar, err := os.Open(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	defer tar.Close()
	d.CLIInput(t, tar, "import", "-", "db")
}

// Each recipe does what the documentation says, with the real server.
func TestRecipes(t *testing.T) {
	d := newDatabases(t)
	t.Run("postgres", func(t *testing.T) { testPostgres(t, d) })
	t.Run("redis", func(t *testing.T) { testRedis(t, d) })
	t.Run("mariadb", func(t *testing.T) { testMariaDB(t, d) })
	t.Run("sqlite", func(t *testing.T) { testSQLite(t, d) })
}

// backup saves one volume.
func (d *databases) backup(t *testing.T, volume string) *backup.Report {
	t.Helper()
	plan, err := backup.PlanCreate(t.Context(), d.env, backup.CreateOptions{
		Selection: backup.Selection{Volumes: []string{volume}}, MaxFreeze: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	report, err := backup.ApplyCreate(t.Context(), d.env, plan)
	if err != nil {
		t.Fatalf("%v: %+v; hooks: %+v", err, report, d.log)
	}
	return report
}

// restore makes a new volume of the newest snapshot of one.
func (d *databases) restore(t *testing.T, volume, to string) {
	t.Helper()
	plan, err := backup.PlanRestore(t.Context(), d.env, backup.RestoreOptions{Spec: "latest:volume/" + volume, ToVolume: to})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := backup.ApplyRestore(t.Context(), d.env, plan); err != nil {
		t.Fatal(err)
	}
}

// await runs a command in a container until it succeeds.
func (d *databases) await(t *testing.T, args ...string) string {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		out, err := d.Try(nil, append([]string{"exec"}, args...)...)
		if err == nil {
			return out
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v: %s", err, d.CLI(t, "logs", args[0]))
		}
	}
}

// postgresCommand runs Debian's cluster as its own user.
const postgresCommand = `mkdir -p /run/postgresql && chown postgres /run/postgresql && exec su postgres -c \
'exec /usr/lib/postgresql/15/bin/postgres -D /var/lib/postgresql/15/main -c config_file=/etc/postgresql/15/main/postgresql.conf'`

func (d *databases) psql(t *testing.T, container, sql string) string {
	t.Helper()
	return d.await(t, container, "su", "postgres", "-c", `psql -At -v ON_ERROR_STOP=1 -c "`+sql+`"`)
}

// A PostgreSQL under load: the hook makes a checkpoint, the freeze takes the rest, and what was committed before is
// there after the restore.
func testPostgres(t *testing.T, d *databases) {
	d.RunContainer(t, "--name", "pg", "--label", backup.LabelApp+"=postgres", "-v", "pg:/var/lib/postgresql", "db", "/bin/sh", "-c", postgresCommand)
	d.psql(t, "pg", "create table t (n int)")
	d.CLI(t, "exec", "-d", "pg", "su", "postgres", "-c", "while :; do psql -q -c 'insert into t select generate_series(1,1000)'; done")
	for d.psql(t, "pg", "select count(*) >= 20000 from t") != "t" {
		time.Sleep(100 * time.Millisecond)
	}
	before := d.psql(t, "pg", "select checkpoint_lsn from pg_control_checkpoint()")
	committed := d.psql(t, "pg", "select count(*) from t")
	report := d.backup(t, "pg")
	if len(d.log) != 1 || d.log[0].Err != nil || d.log[0].Command != "postgres: CHECKPOINT" {
		t.Fatalf("the hooks: %+v", d.log)
	}
	t.Logf("held: %+v", report.Freezes)
	after := d.psql(t, "pg", "select checkpoint_lsn from pg_control_checkpoint()")
	if before == after {
		t.Errorf("no checkpoint was made: it is at %s", after)
	}
	d.restore(t, "pg", "pg2")
	d.RunContainer(t, "--name", "pg2", "-v", "pg2:/var/lib/postgresql", "db", "/bin/sh", "-c", "rm -f /var/lib/postgresql/15/main/postmaster.pid; "+postgresCommand)
	if got := d.psql(t, "pg2", "select count(*) >= "+committed+" and count(*) % 1000 = 0 from t"); got != "t" {
		t.Errorf("%s rows were committed; now %s", committed, d.psql(t, "pg2", "select count(*) from t"))
	}
	logs, err := exec.Command(filepath.Join(d.BinDir, "docker"), "-H", d.Host, "logs", "pg2").CombinedOutput()
	redo := regexp.MustCompile(`redo starts at ([0-9A-F/]+)`).FindSubmatch(logs)
	if err != nil || redo == nil || d.psql(t, "pg2", "select '"+string(redo[1])+"'::pg_lsn > '"+before+"'::pg_lsn") != "t" {
		t.Errorf("the restored server did not begin at the hook's checkpoint, behind %s: %v: %s", before, err, logs)
	}
	// A server that does not answer is no backup of it, and the others are saved.
	d.CLI(t, "exec", "pg", "su", "postgres", "-c", "mv /var/run/postgresql/.s.PGSQL.5432 /var/run/postgresql/gone")
	d.CLI(t, "volume", "create", "other")
	plan, err := backup.PlanCreate(t.Context(), d.env, backup.CreateOptions{Selection: backup.Selection{Volumes: []string{"pg", "other"}}})
	if err != nil {
		t.Fatal(err)
	}
	report, err = backup.ApplyCreate(t.Context(), d.env, plan)
	if err == nil || len(report.Problems) != 1 || !strings.Contains(report.Problems[0].Reason, "hook in container pg: pre (postgres: CHECKPOINT) ended with exit code 2") {
		t.Errorf("%+v, %v", report, err)
	}
}

// A Redis that writes nothing by itself: without the hook the backup holds nothing of what it keeps, with it everything.
func testRedis(t *testing.T, d *databases) {
	d.log = nil
	const server = "exec redis-server --dir /data --save '' --appendonly no --requirepass secret"
	run := func(name, volume string, more ...string) {
		t.Helper()
		d.RunContainer(t, append(more, "--name", name, "-e", "REDIS_PASSWORD=secret", "-v", volume+":/data", "db", "/bin/sh", "-c", server)...)
		d.await(t, name, "sh", "-c", "REDISCLI_AUTH=secret redis-cli ping | grep PONG")
	}
	get := func(name string) string {
		return d.CLI(t, "exec", "-e", "REDISCLI_AUTH=secret", name, "redis-cli", "get", "k")
	}
	run("plain", "plain")
	run("labelled", "labelled", "--label", backup.LabelApp+"=redis")
	for _, name := range []string{"plain", "labelled"} {
		d.CLI(t, "exec", "-e", "REDISCLI_AUTH=secret", name, "redis-cli", "set", "k", "kept")
		d.backup(t, name)
		d.restore(t, name, name+"2")
		run(name+"2", name+"2")
	}
	if get("plain2") != "" {
		t.Error("it is there also without the hook: this test shows nothing")
	}
	if got := get("labelled2"); got != "kept" {
		t.Errorf("restored: %q", got)
	}
	if len(d.log) != 1 || d.log[0].Err != nil {
		t.Errorf("hooks: %+v", d.log)
	}
	// A wrong password is found, although redis-cli ends well then.
	d.CLI(t, "exec", "-e", "REDISCLI_AUTH=secret", "labelled", "redis-cli", "config", "set", "requirepass", "other")
	hook, err := d.env.Hooks.Of(engine.Container{Name: "labelled"}, map[string]string{backup.LabelApp: "redis"})
	if err != nil {
		t.Fatal(err)
	}
	if err := hook.Pre(t.Context()); err == nil || !strings.Contains(err.Error(), "WRONGPASS") && !strings.Contains(err.Error(), "NOAUTH") {
		t.Errorf("error is %v", err)
	}
}
