//go:build integration

package drill

import (
	"testing"
	"time"

	"davit/backup"
	"davit/engine/enginetest"
)

// mariadbServer runs Debian's MariaDB on files in /data, which are made when there are none.
const mariadbServer = whenFree + `
[ -d /data/my/mysql ] || { mkdir -p /data/my; mariadb-install-db --datadir=/data/my --user=mysql > /dev/null || exit 9; }
mkdir -p /run/mysqld && chown mysql /run/mysqld
exec mariadbd --user=mysql --datadir=/data/my --skip-networking`

// A MariaDB that is written to while it is saved comes back, and every table is read. One that cannot start, one whose table has
// lost its file, and one that makes itself anew because its files are gone each make the drill fail.
func TestMariaDB(t *testing.T) {
	h := newRealHost(t, enginetest.DockerdOptions{})
	h.importPackages(t, "mariadb-server")
	h.RunContainer(t, "--name", "my", "--label", backup.LabelApp+"=mariadb", "-v", "mydata:/data", "app:1", "sh", "-c", mariadbServer)
	sql := func(text string) string {
		return h.await(t, "my", "mariadb", "--batch", "--skip-column-names", "-e", text)
	}
	sql("create database shop; create table shop.`Odd ``name` (x int); create table shop.kept (n int) engine=InnoDB; create table shop.old (n int) engine=MyISAM")
	h.CLI(t, "exec", "-d", "my", "sh", "-c", "while mariadb -e 'insert into shop.kept select seq from shop.seq_1_to_100'; do sleep 0.05; done")
	enough := `mariadb --batch --skip-column-names -e "select count(*) > 1000 and count(*) % 100 = 0 from shop.kept" | grep 1`
	h.await(t, "my", "sh", "-c", enough)
	h.saveFrozen(t)
	report, err := h.drill(t, Options{Timeout: 90 * time.Second, Probes: []Probe{mustProbe(t, "my="+enough)}})
	if err != nil || report.Verdict != Passed {
		t.Fatalf("%v: %+v", err, report)
	}
	h.hasProbe(t, report, "container/my", "mariadb: every table is read", "3 tables in 1 databases")

	h.hold(t, "my")
	h.spoiled(t, "my", map[string]spoiling{
		"a table without its file":   {"mv /data/my/shop/kept.ibd /away", "mv /away /data/my/shop/kept.ibd", "probe", "kept"},
		"a server that cannot start": {"cp -p /data/my/ibdata1 /away; truncate -s 5000 /data/my/ibdata1", "cp -p /away /data/my/ibdata1", "start", "InnoDB"},
		"a server that begins anew":  {"mv /data/my /away", "mv /away /data/my", "probe", "0 tables"},
	})
}

// A container whose program keeps SQLite databases comes back with all of them whole; a damaged page and a file that is
// gone each make the drill fail.
func TestSQLite(t *testing.T) {
	h := newRealHost(t, enginetest.DockerdOptions{})
	h.importPackages(t, "sqlite3")
	h.RunContainer(t, "--name", "lite", "--init", "--label", backup.LabelApp+"=sqlite", "-v", "files:/data", "app:1", "sh", "-c", whenFree+
		"sqlite3 /data/one.db 'pragma journal_mode=wal; create table if not exists t (n int, s text)'; exec sleep 1d")
	h.await(t, "lite", "sqlite3", "/data/one.db", "insert into t with recursive s(n) as (select 1 union all select n+1 from s where n < 5000) select n, hex(randomblob(20)) from s; select count(*) from t")
	h.saveFrozen(t)
	report, err := h.drill(t, Options{Timeout: 90 * time.Second})
	if err != nil || report.Verdict != Passed {
		t.Fatalf("%v: %+v", err, report)
	}
	h.hasProbe(t, report, "container/lite", "sqlite: every database is whole", "1 tables in 1 databases")

	h.hold(t, "lite")
	h.spoiled(t, "lite", map[string]spoiling{
		"a damaged page":         {"cp -p /data/one.db /away; dd if=/dev/urandom of=/data/one.db bs=4096 seek=9 count=1 conv=notrunc", "cp -p /away /data/one.db", "probe", "one.db"},
		"a file that is gone":    {"mv /data/one.db /away; echo no database > /data/one.db", "mv /away /data/one.db", "probe", "0 databases"},
		"a file that is cut off": {"cp -p /data/one.db /away; truncate -s 20480 /data/one.db", "cp -p /away /data/one.db", "probe", "one.db"},
	})
}

// importPackages makes the image app:1 of a Debian with these packages.
func (h *realHost) importPackages(t *testing.T, packages string) {
	t.Helper()
	h.importTar(t, "debimage.sh", packages)
}
