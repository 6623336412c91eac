//go:build integration

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"davit/engine/enginetest"
)

// shopHost makes a host with what compose would make of a project: a database with a volume, under load, and a web server with a
// bind mount, in a network of their own; and a job that saves it all.
const shopHost = `set -eu
docker import -c 'ENV PGDATA=/var/lib/postgresql/data PATH=/usr/lib/postgresql/15/bin:/usr/bin:/bin' /root/pg.tar pg:15 > /dev/null
rm /root/pg.tar
mkdir -p /tmp/img/bin && cp /bin/busybox /tmp/img/bin/ && for x in sh httpd wget; do ln -sf busybox /tmp/img/bin/$x; done
tar -C /tmp/img -c . | docker import -c 'EXPOSE 80' - web:1 > /dev/null
mkdir -p /srv/shop/html
echo 'the shop is open' > /srv/shop/html/index.html
printf 'services:\n  db: {image: "pg:15"}\n  web: {image: "web:1"}\n' > /srv/shop/compose.yaml
echo PGPASS=hunter2 > /srv/shop/.env; chmod 640 /srv/shop/.env
compose="--label com.docker.compose.project=shop"
service() { echo "$compose --label com.docker.compose.service=$1 --label com.docker.compose.container-number=1 --label com.docker.compose.depends_on=$2
	--label com.docker.compose.project.working_dir=/srv/shop --label com.docker.compose.project.config_files=/srv/shop/compose.yaml"; }
docker network create $compose --label com.docker.compose.network=back --subnet 10.99.0.0/24 shop_back > /dev/null
docker volume create $compose --label com.docker.compose.volume=pgdata shop_pgdata > /dev/null
docker run -d --name shop-db-1 $(service db '') --network shop_back --network-alias db --restart unless-stopped --user postgres --stop-signal INT \
	--env PGPASS=hunter2 -v shop_pgdata:/var/lib/postgresql pg:15 sh -c '[ -s $PGDATA/PG_VERSION ] || initdb -A trust > /dev/null
	exec postgres -c listen_addresses= -c unix_socket_directories=/tmp' > /dev/null
docker run -d --name shop-web-1 $(service web db:service_started:false) --network shop_back --ip 10.99.0.80 --restart always \
	-p 127.0.0.1:8080:80 -v /srv/shop/html:/www:ro web:1 httpd -f -p 80 -h /www > /dev/null
davit backup init --repo /srv/backup
mkdir -p /etc/davit
cat > /etc/davit/config.yaml <<Y
version: 1
repositories: {main: {path: /srv/backup}}
jobs: {nightly: {after: [verify]}}
Y
`

// sqlTool runs SQL in the database, as /root/sql.
const sqlTool = `printf '#!/bin/sh\nexec docker exec shop-db-1 psql -h /tmp -U postgres -qAt -c "$1"\n' > /root/sql; chmod 755 /root/sql
i=0; until /root/sql 'select 1' > /dev/null 2>&1; do i=$((i+1)); [ $i -lt 300 ] || { docker logs shop-db-1; exit 1; }; sleep 0.2; done`

// shopFacts are what has to be as it was.
const shopFacts = `docker inspect -f '{{.Name}} {{json .Config.Labels}} {{json .HostConfig.RestartPolicy}} {{json .HostConfig.PortBindings}} {{json .Config.Env}} {{.Config.User}}' shop-db-1 shop-web-1
docker volume inspect -f '{{.Name}} {{.Driver}} {{json .Labels}}' shop_pgdata
docker network inspect -f '{{.Name}} {{.Driver}} {{json .Labels}} {{(index .IPAM.Config 0).Subnet}}' shop_back
docker inspect -f '{{.State.Status}} {{.NetworkSettings.Networks.shop_back.IPAMConfig.IPv4Address}}' shop-web-1
cat /srv/shop/html/index.html; docker exec shop-web-1 wget -qO- http://127.0.0.1/`

// A host is saved three nights long while its database works, and destroyed. On empty hosts with a newer engine, with a graph
// driver and with the containerd store, one command brings all of it back, although it is killed on the way over and over:
// every row that was committed before the last freeze is there, the web server answers, labels and restart policies are right.
func TestWholeHostComesBack(t *testing.T) {
	old := serviceHost(t)
	tar, err := exec.Command("../../scripts/pgimage.sh").Output()
	if err != nil {
		t.Fatalf("scripts/pgimage.sh: %v", err)
	}
	old.Put(t, strings.TrimSpace(string(tar)), "/root/pg.tar")
	old.Must(t, "sh", "-c", shopHost)
	old.Must(t, "sh", "-c", sqlTool)
	old.Must(t, "/root/sql", "create table nights (night int primary key)")
	old.Must(t, "docker", "exec", "shop-db-1", "pgbench", "-h", "/tmp", "-i", "-q", "-s", "2", "postgres")
	old.Must(t, "docker", "exec", "-d", "shop-db-1", "pgbench", "-h", "/tmp", "-c", "2", "-T", "3600", "postgres")
	var committed string
	for night := range 3 {
		committed = strings.TrimSpace(old.Must(t, "/root/sql", "select count(*) from pgbench_history"))
		old.Must(t, "/root/sql", fmt.Sprintf("insert into nights values (%d)", night+1))
		t.Logf("night %d: %s", night+1, old.Must(t, "davit", "backup", "run", "nightly", "--progress", "none"))
	}
	step{args: "davit backup history --job nightly | grep -c ' ok '", stdout: "3"}.run(t, old)
	step{args: "/root/sql 'select count(*) > 0 from pgbench_history'", stdout: "t"}.run(t, old)
	before := old.Must(t, "sh", "-c", shopFacts)
	saved := filepath.Join(t.TempDir(), "backup")
	if out, err := exec.Command("cp", "-a", old.Root(t)+"/srv/backup", saved).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	old.PowerCut(t)
	for _, store := range []string{"graph driver", "containerd"} {
		t.Run(store, func(t *testing.T) {
			h := serviceHostWith(t, enginetest.HostOptions{Engine: "28.5"})
			if store == "containerd" {
				h.Must(t, "sh", "-c", `mkdir -p /etc/docker; echo '{"features": {"containerd-snapshotter": true}}' > /etc/docker/daemon.json; systemctl restart docker`)
			}
			h.Must(t, "hostname", "newhost")
			h.Put(t, saved, "/srv/backup")
			bringBack(t, h)
			if after := h.Must(t, "sh", "-c", shopFacts); after != before {
				t.Errorf("the host was\n%s\nand is\n%s", before, after)
			}
			databaseIsWhole(t, h, committed)
		})
	}
}

const bringBackLine = "davit backup restore --repo /srv/backup --all --containers --start --compose-files /srv/compose --yes --progress none"

// killWhen kills a command as soon as another one succeeds, or lets it end.
const killWhen = `%s > /dev/null 2>&1 & run=$!
until %s > /dev/null 2>&1; do kill -0 $run 2> /dev/null || break; sleep 0.02; done
kill -KILL $run; wait $run; true`

// bringBack restores the host, at first by runs that are killed, and again when all is there.
func bringBack(t *testing.T, h *enginetest.Host) {
	t.Helper()
	step{args: bringBackLine + " --dry-run", stdout: "create container", stderr: ""}.run(t, h)
	step{args: bringBackLine + " --dry-run", stdout: "newhost has no snapshot here: those of testhost are taken"}.run(t, h)
	step{args: strings.Replace(bringBackLine, " --yes", "", 1) + " < /dev/null", code: 2, stderr: "needs a confirmation"}.run(t, h)
	for _, sign := range []string{
		"docker image inspect web:1", "docker network inspect shop_back", "ls -d /var/lib/docker/volumes/shop_pgdata/.davit-new-*",
		"docker volume inspect shop_pgdata", "ls /srv/compose/shop/.env", "docker inspect shop-db-1",
	} {
		step{args: fmt.Sprintf(killWhen, bringBackLine, sign)}.run(t, h)
	}
	out := h.Must(t, "sh", "-c", bringBackLine)
	t.Log(out)
	if !strings.Contains(out, "restored from snapshot") || !strings.Contains(out, " in ") {
		t.Error("the time is not told")
	}
	for _, s := range []step{
		{args: bringBackLine + " --dry-run | grep -v '^keep\\|^start\\|^ACTION\\|^snapshot\\|^note'", code: 1},
		{args: "cat /srv/compose/shop/.env", stdout: "PGPASS=hunter2"},
		{args: "grep pg:15 /srv/compose/shop/compose.yaml", stdout: "pg:15"},
		{args: "ls -A /srv /srv/shop /var/lib/docker/volumes/shop_pgdata | grep davit-new", code: 1},
		{args: "echo other > /srv/compose/shop/compose.yaml; " + bringBackLine, code: 1, stderr: "/srv/compose/shop/compose.yaml exists with other content"},
		{args: "rm /srv/compose/shop/compose.yaml; docker rm -f shop-web-1 > /dev/null; docker create --name shop-web-1 web:1 httpd > /dev/null; " + bringBackLine, code: 1, stderr: "container/shop-web-1: a container of this name exists already"},
		{args: "docker rm shop-web-1 > /dev/null; " + bringBackLine, stdout: "create container"},
	} {
		s.run(t, h)
	}
}

// databaseIsWhole looks for what was committed before the last freeze, and whether the accounts are what the transactions made of them.
func databaseIsWhole(t *testing.T, h *enginetest.Host, committed string) {
	t.Helper()
	h.Must(t, "sh", "-c", sqlTool)
	if got := strings.TrimSpace(h.Must(t, "/root/sql", "select count(*) from nights")); got != "3" {
		t.Errorf("%s nights are in the database", got)
	}
	sums := strings.TrimSpace(h.Must(t, "/root/sql", `select (select count(*) from pgbench_history),
		(select sum(abalance) from pgbench_accounts) = (select sum(delta) from pgbench_history) and
		(select sum(bbalance) from pgbench_branches) = (select sum(delta) from pgbench_history)`))
	count, whole, _ := strings.Cut(sums, "|")
	n, err := strconv.Atoi(count)
	least, more := strconv.Atoi(committed)
	if err != nil || more != nil || least == 0 || n < least || whole != "t" {
		t.Errorf("the transactions: %s; %s were committed before the last night", sums, committed)
	}
	if _, err := os.Stat(h.Root(t) + "/srv/shop/html/index.html"); err != nil {
		t.Error(err)
	}
}
