#!/bin/sh
# Runs PostgreSQL from /root/pg.tar in a container of a test host, and a client that inserts rows all the time and
# notes which ones were committed in /root/committed. Run in the host, as root.
set -e
docker import -c 'ENV PGDATA=/var/lib/postgresql/data PATH=/usr/lib/postgresql/15/bin:/usr/bin:/bin' /root/pg.tar pg:15 > /dev/null
rm /root/pg.tar
# shellcheck disable=SC2016
docker run -d --name pg --restart unless-stopped --network none --user postgres --stop-signal INT -v pgdata:/var/lib/postgresql pg:15 \
	sh -c '[ -s $PGDATA/PG_VERSION ] || initdb -A trust > /dev/null; exec postgres -c listen_addresses= -c unix_socket_directories=/tmp' > /dev/null
cat > /root/sql <<'X'
#!/bin/sh
exec docker exec pg psql -h /tmp -U postgres -qAt -c "$1"
X
cat > /root/insert <<'X'
#!/bin/sh
i=0
while :; do
	i=$((i + 1))
	if sh /root/sql "insert into t values ($i, repeat(md5('$i'), 20))" > /dev/null 2>&1; then echo $i >> /root/committed; fi
done
X
i=0
until sh /root/sql 'create table t (id int primary key, text text)' 2> /dev/null; do
	i=$((i + 1))
	[ $i -lt 300 ] || { docker logs pg >&2; exit 1; }
	sleep 0.2
done
systemd-run -q --unit insert sh /root/insert
