package hook

// mariadb closes all tables, so that the files of those without a log of their own, MyISAM's, are whole; InnoDB has one. Rather
// than let everybody wait behind a statement that takes long, it leaves tables that are in use for long as they are.
const mariadb = mariadbAsk + `
said=$(ask -e 'SET SESSION lock_wait_timeout = 10; FLUSH LOCAL TABLES' 2>&1) || {
	case $said in
	*'ERROR 1205'*) echo "tables were in use, and are not flushed: $said" ;;
	*) echo "$said"; exit 1 ;;
	esac
}
`

// mariadbProbe reads a row of every table in every database: a table whose file is missing or that was not closed well is an error.
// A server without any table is one that made itself anew because its files were not there. While it repairs what a
// power cut would leave, nobody listens at its socket.
const mariadbProbe = mariadbAsk + `
said=$(ask -e 'select 1' 2>&1) || {
	echo "$said"
	case $said in *'ERROR 2002'* | *'ERROR 2003'*) exit 75 ;; esac
	exit 1
}
of="from information_schema.tables where table_type in ('BASE TABLE', 'SYSTEM VERSIONED')
	and table_schema not in ('mysql', 'information_schema', 'performance_schema', 'sys')"
tables=$(ask -e "select count(*) $of") || exit 1
databases=$(ask -e "select count(distinct table_schema) $of") || exit 1
list=$(ask -e "select concat('select * from ${tick}', replace(table_schema, '${tick}', '${tick}${tick}'), '${tick}.${tick}',
	replace(table_name, '${tick}', '${tick}${tick}'), '${tick} limit 1;') $of") || exit 1
printf '%s\n' "$list" | ask > /dev/null || exit 1
echo "$tables tables in $databases databases"
[ "$tables" -gt 0 ]
`

// mariadbAsk asks as root over the server's own socket, with the password that the container knows, if it knows one.
const mariadbAsk = `
tick=$(printf '\140')
client=mariadb
command -v mariadb > /dev/null || client=mysql
password=${MARIADB_ROOT_PASSWORD:-${MYSQL_ROOT_PASSWORD:-}}
for file in "${MARIADB_ROOT_PASSWORD_FILE:-}" "${MYSQL_ROOT_PASSWORD_FILE:-}"; do
	[ -n "$password" ] || [ ! -r "$file" ] || password=$(cat "$file")
done
ask() { MYSQL_PWD=$password "$client" --user=root --batch --raw --skip-column-names --default-character-set=utf8mb4 "$@"; }
`
