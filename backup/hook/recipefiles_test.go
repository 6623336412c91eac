//go:build integration

package hook

import (
	"strings"
	"testing"
	"time"

	"davit/backup"
	"davit/engine"
)

// mariadbCommand runs Debian's MariaDB as its own user, on the folder that its package has filled.
const mariadbCommand = "mkdir -p /run/mysqld && chown mysql /run/mysqld && exec mariadbd --user=mysql --skip-networking"

func (d *databases) mariadb(t *testing.T, container, sql string) string {
	t.Helper()
	return strings.TrimSpace(d.await(t, container, "mariadb", "--batch", "--skip-column-names", "-e", sql))
}

// A MariaDB: what is committed is there after the restore, and a MyISAM table, which has no log, is flushed by the hook and whole.
func testMariaDB(t *testing.T, d *databases) {
	d.log = nil
	for name, label := range map[string][]string{"plain": nil, "flushed": {"--label", backup.LabelApp + "=mariadb"}} {
		name += "-maria"
		d.RunContainer(t, append(label, "--name", name, "-v", name+":/var/lib/mysql", "db", "/bin/sh", "-c", mariadbCommand)...)
		d.mariadb(t, name, `create database shop; create table shop.kept (n int primary key) engine=InnoDB; insert into shop.kept values (1),(2);
			create table shop.indexed (n int primary key, s varchar(50), key (s)) engine=MyISAM; insert into shop.indexed select seq, md5(seq) from shop.seq_1_to_2000`)
		const flushes = "select variable_value from information_schema.global_status where variable_name = 'com_flush'"
		before := d.mariadb(t, name, flushes)
		d.backup(t, name)
		if after := d.mariadb(t, name, flushes); (after != before) != (label != nil) {
			t.Errorf("%s: tables were flushed %s times, and then %s times", name, before, after)
		}
		d.restore(t, name, name+"2")
		d.RunContainer(t, "--name", name+"2", "-v", name+"2:/var/lib/mysql", "db", "/bin/sh", "-c", mariadbCommand+" --myisam-recover-options=OFF")
		if got := d.mariadb(t, name+"2", "select count(*) from shop.kept"); got != "2" {
			t.Errorf("%s: %s rows are there", name, got)
		}
		said := d.mariadb(t, name+"2", "check table shop.indexed")
		if whole := strings.HasSuffix(said, "status\tOK") && !strings.Contains(said, "warning"); label != nil && !whole {
			t.Errorf("%s: the MyISAM table: %s", name, said)
		}
	}
	if len(d.log) != 1 || d.log[0].Err != nil || d.log[0].Command != "mariadb: FLUSH TABLES" {
		t.Errorf("hooks: %+v", d.log)
	}
	d.CLI(t, "exec", "flushed-maria", "mv", "/run/mysqld/mysqld.sock", "/run/mysqld/gone")
	d.fails(t, "flushed-maria", "mariadb", "ERROR 2002")
	d.CLI(t, "exec", "flushed-maria", "mv", "/run/mysqld/gone", "/run/mysqld/mysqld.sock")
	// Somebody's long statement holds the hook up for a moment, and does not cost the backup.
	d.CLI(t, "exec", "-d", "flushed-maria", "mariadb", "-e", "select sleep(60) from shop.kept")
	time.Sleep(time.Second)
	began := time.Now()
	hook, err := d.env.Hooks.Of(engine.Container{Name: "flushed-maria"}, map[string]string{backup.LabelApp: "mariadb"})
	if err != nil {
		t.Fatal(err)
	}
	if err := hook.Pre(t.Context()); err != nil || time.Since(began) > 50*time.Second {
		t.Errorf("behind a long statement: %v after %v", err, time.Since(began))
	}
}

// fails runs the hook of an app, which has to fail and say why.
func (d *databases) fails(t *testing.T, container, app, reason string) {
	t.Helper()
	hook, err := d.env.Hooks.Of(engine.Container{Name: container}, map[string]string{backup.LabelApp: app})
	if err != nil {
		t.Fatal(err)
	}
	if err := hook.Pre(t.Context()); err == nil || !strings.Contains(err.Error(), reason) {
		t.Errorf("error is %v, want %s", err, reason)
	}
}

// sqliteCommand keeps databases open, one with a space in its path, with rows that are in their write-ahead logs only.
const sqliteCommand = `mkdir -p "/data/a b"
for db in "/data/a b/one.sqlite" /data/two.db; do
	{ echo 'pragma journal_mode=wal; pragma wal_autocheckpoint=0; create table if not exists t (n int); insert into t values (1),(2),(3);'; sleep 1d; } | sqlite3 "$db" &
done
echo 'no database' > /data/three.db
wait`

// Databases of SQLite that are open: with the hook the database files alone hold every row, without it they do not.
func testSQLite(t *testing.T, d *databases) {
	d.log = nil
	for name, label := range map[string][]string{"plain": nil, "emptied": {"--label", backup.LabelApp + "=sqlite"}} {
		name += "-lite"
		d.RunContainer(t, append(label, "--name", name, "--init", "-v", name+":/data", "db", "/bin/sh", "-c", sqliteCommand)...)
		count := func(volume, db string) string {
			return strings.TrimSpace(d.CLI(t, "run", "--rm", "--network", "none", "-v", volume+":/data", "db", "sh", "-c", `rm -f "$1"-wal "$1"-shm; sqlite3 "$1" 'select count(*) from t' 2>&1 || true`, "sh", db))
		}
		d.await(t, name, "sh", "-c", `sqlite3 '/data/a b/one.sqlite' 'select count(*) from t' | grep 3 && sqlite3 /data/two.db 'select count(*) from t' | grep 3`)
		d.backup(t, name)
		d.restore(t, name, name+"2")
		for _, db := range []string{"/data/a b/one.sqlite", "/data/two.db"} {
			if got := count(name+"2", db); (got == "3") != (label != nil) {
				t.Errorf("%s: %s alone: %q", name, db, got)
			}
		}
	}
	if len(d.log) != 1 || d.log[0].Err != nil || d.log[0].Command != "sqlite: checkpoint" {
		t.Errorf("hooks: %+v", d.log)
	}
	d.CLI(t, "exec", "emptied-lite", "mv", "/usr/bin/sqlite3", "/usr/bin/gone")
	d.fails(t, "emptied-lite", "sqlite", "there is no sqlite3 in the container")
}
