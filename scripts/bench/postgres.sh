#!/bin/bash
# postgres.sh --make FOLDER SCALE   make a real PostgreSQL data folder with pgbench's tables, updated a
#                                   little: about 15.5 MB per unit of SCALE
# postgres.sh --night FOLDER SEED   update single rows all over it, which writes about 1 % of the pages
#                                   of a folder of scale 95
#
# The server is stopped in the end. As root; the server itself runs as nobody, reachable on a socket in
# FOLDER.sock only.
set -euo pipefail
action=$1 folder=$2 number=$3 sock=$2.sock
mkdir -p "$folder" "$sock"
chown 65534:65534 "$folder" "$sock"
chmod 700 "$folder" "$sock"

as() { setpriv --reuid 65534 --regid 65534 --clear-groups env HOME="$sock" PGHOST="$sock" PGUSER=bench "$@"; }
cd "$sock"
start() {
	as pg_ctl -D "$folder" -w -l "$sock/log" -o "-k '$sock' -c listen_addresses= -c fsync=off \
		-c full_page_writes=off -c max_wal_size=96MB -c min_wal_size=32MB -c shared_buffers=256MB" start
}
case $action in
	--make)
		as initdb -D "$folder" -A trust -U bench --no-locale -E UTF8
		start
		as createdb bench
		as pgbench -i -q -s "$number" bench
		as pgbench --random-seed=1 -t 5000 -c 2 bench
		;;
	--night)
		start
		as pgbench --random-seed="$((1000 + number))" -n -t 800 -c 2 bench
		;;
esac
as pg_ctl -D "$folder" -w stop
rm -rf "$sock"
