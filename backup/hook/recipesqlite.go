package hook

// sqlite empties the write-ahead logs into their databases. One that is busy keeps its log, which is saved beside it.
const sqlite = sqliteFind + `
each() {
	said=$(sqlite3 -batch -init /dev/null -cmd '.timeout 10000' "$1" 'PRAGMA wal_checkpoint(TRUNCATE)' 2>&1) || { echo "$1: $said"; return 1; }
	case $said in 1*) echo "$1 is busy: it keeps its write-ahead log" ;; esac
}
all || exit 1
`

// sqliteProbe checks every database, and counts tables. Without any database the files are not what they were.
const sqliteProbe = sqliteFind + `
tables=0
each() {
	said=$(sqlite3 -batch -init /dev/null -cmd '.timeout 10000' "$1" 'PRAGMA integrity_check(1)' 2>&1) || said=${said:-it cannot be read}
	[ "$said" = ok ] || { echo "$1: $said"; return 1; }
	n=$(sqlite3 -batch -init /dev/null "$1" "select count(*) from sqlite_master where type = 'table'") || return 1
	tables=$((tables + n))
}
all || exit 1
echo "$tables tables in $found databases"
[ "$found" -gt 0 ]
`

// sqliteFind calls each for every database in what the container mounts, by names and by what SQLite's files begin with.
const sqliteFind = `
command -v sqlite3 > /dev/null || { echo 'there is no sqlite3 in the container'; exit 1; }
found=0
all() {
	list=$(while read -r _ at type _; do
		case $at:$type in
		/:* | /proc* | /sys* | /dev* | /etc/hosts:* | /etc/hostname:* | /etc/resolv.conf:* | *:tmpfs) continue ;;
		esac
		find "$(printf '%b' "$(printf '%s' "$at" | sed 's/\\\([0-7][0-7][0-7]\)/\\0\1/g')")" -xdev -type f -size +0 \( \
			-name '*.db' -o -name '*.db3' -o -name '*.sqlite' -o -name '*.sqlite3' -o -name '*.sdb' \) || exit 1
	done < /proc/mounts) || return 1
	while IFS= read -r path; do
		[ "$(dd if="$path" bs=15 count=1 2> /dev/null)" = 'SQLite format 3' ] || continue
		found=$((found + 1))
		each "$path" || return 1
	done <<END
$list
END
}
`
