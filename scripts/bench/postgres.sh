#!/bin/bash
# postgres.sh FOLDER SCALE - make a real PostgreSQL data folder with pgbench's tables,
# updated a little, and stop the server: about 15.5 MB per unit of SCALE. As root; the
# server itself runs as nobody, reachable on a socket in FOLDER.sock only.
set -euo pipefail
folder=$1 scale=$2 sock=$1.sock
mkdir -p "$folder" "$sock"
chown 65534:65534 "$folder" "$sock"
chmod 700 "$folder" "$sock"

as() { setpriv --reuid 65534 --regid 65534 --clear-groups env HOME="$sock" PGHOST="$sock" PGUSER=bench "$@"; }
cd "$sock"
as initdb -D "$folder" -A trust -U bench --no-locale -E UTF8
as pg_ctl -D "$folder" -w -l "$sock/log" -o "-k '$sock' -c listen_addresses= -c fsync=off \
	-c full_page_writes=off -c max_wal_size=96MB -c min_wal_size=32MB -c shared_buffers=256MB" start
as createdb bench
as pgbench -i -q -s "$scale" bench
as pgbench --random-seed=1 -t 5000 -c 2 bench
as pg_ctl -D "$folder" -w stop
rm -rf "$sock"
