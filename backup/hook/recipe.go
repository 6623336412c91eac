package hook

// app is a program that davit knows: what its data need before they are saved, and what proves that they came back.
type app struct {
	name         string
	text, script string // of the hook
	asks, probe  string // of the probe
	user         string // that both run as; "" is the container's
}

func apps() []app {
	return []app{
		{"postgres", "CHECKPOINT", postgres, "every table is read", postgresProbe, "postgres"},
		{"mariadb", "FLUSH TABLES", mariadb, "every table is read", mariadbProbe, "root"},
		{"redis", "BGSAVE", redis, "its keys are there", redisAuth + redisProbe, ""},
		{"sqlite", "checkpoint", sqlite, "every database is whole", sqliteProbe, ""},
	}
}

// Apps are the names that the label davit.backup.app may have.
func Apps() []string {
	var names []string
	for _, a := range apps() {
		names = append(names, a.name)
	}
	return names
}

func findApp(name string) (app, bool) {
	for _, a := range apps() {
		if a.name == name {
			return a, true
		}
	}
	return app{}, false
}

// recipe is the command for an app.
func recipe(name string) (Command, bool) {
	a, ok := findApp(name)
	return Command{Text: name + ": " + a.text, Args: []string{"/bin/sh", "-c", a.script}, User: a.user}, ok
}

// Probe is the command that proves that an app came back with what it held; false for one that is not known. Its last
// line says what was found. It fails when there is nothing to be found, or, where that may well be, begins that line
// with "warning: ". While the app reads its files it ends with [NotYet].
func Probe(name string) (Command, bool) {
	a, ok := findApp(name)
	return Command{Text: name + ": " + a.asks, Args: []string{"/bin/sh", "-c", a.probe}, User: a.user}, ok
}

// postgresProbe reads a row of every table in every database: a table whose file is missing or torn at its beginning is an
// error. A server without any table is one that made itself anew because its files were not there.
const postgresProbe = `
ask() { psql -X -q -A -t -w -v ON_ERROR_STOP=1 -U "${POSTGRES_USER:-postgres}" "$@"; }
pg_isready -q -t 5 -U "${POSTGRES_USER:-postgres}"
[ $? != 1 ] || { echo 'it starts up'; exit 75; }
databases=$(ask -d postgres -c "select datname from pg_database where datallowconn and not datistemplate order by 1") || exit 1
tables=0 found=0
list='pg_tables where schemaname not in ($$pg_catalog$$, $$information_schema$$)'
while IFS= read -r PGDATABASE; do
	export PGDATABASE
	n=$(ask -c "select count(*) from $list") || exit 1
	printf '%s\n' "select format('select 1 from %I.%I limit 1', schemaname, tablename) from $list \\gexec" | ask > /dev/null || exit 1
	tables=$((tables + n)) found=$((found + 1))
done <<END
$databases
END
echo "$tables tables in $found databases"
[ "$tables" -gt 0 ]
`

// redisProbe counts keys. A server that reads its files, or could not, says so.
const redisProbe = `
said=$(redis-cli PING 2>&1)
case $said in
PONG) ;;
LOADING*) echo "$said"; exit 75 ;;
*) echo "$said"; exit 1 ;;
esac
keys=$(redis-cli INFO keyspace | sed -n 's/^db[0-9]*:keys=\([0-9]*\),.*/\1/p' | { sum=0; while read -r n; do sum=$((sum + n)); done; echo "$sum"; })
if [ "$keys" -gt 0 ]; then echo "$keys keys"; else echo "warning: it answers, and holds no keys"; fi
`

// postgres asks over the server's own socket, where the superuser needs no password.
const postgres = `exec psql -X -q -w -v ON_ERROR_STOP=1 -U "${POSTGRES_USER:-postgres}" -d postgres -c CHECKPOINT`

// redis waits for a save that began after this moment: one that was on its way before would not do.
// redis-cli ends well also when the server answers with an error.
const redis = redisAuth + `
while :; do
	said=$(redis-cli BGSAVE 2>&1)
	case $said in
	*started*) break ;;
	*progress* | *child*) sleep 1 ;;
	*) echo "$said"; exit 1 ;;
	esac
done
while redis-cli INFO persistence | grep -q '^rdb_bgsave_in_progress:1'; do sleep 0.2; done
if ! redis-cli INFO persistence | grep -q '^rdb_last_bgsave_status:ok'; then
	echo 'BGSAVE did not succeed'; exit 1
fi
`

// redisAuth gives redis-cli the password that the container knows, if it knows one.
const redisAuth = `
REDISCLI_AUTH=${REDISCLI_AUTH:-${REDIS_PASSWORD:-}}
if [ -n "$REDISCLI_AUTH" ]; then export REDISCLI_AUTH; else unset REDISCLI_AUTH; fi
`
