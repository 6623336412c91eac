#!/bin/bash
# demo.sh - davit's main job on a real Docker engine, in a minute: a container with a
# named volume and a bind mount is backed up, destroyed and restored, and what came back
# is compared with what was there.
#
#   make demo            (or scripts/demo.sh, with ./davit built; as root)
#
# No engine that is already on the machine is touched: a dockerd of its own runs in a
# temporary folder and in namespaces of its own, and nothing of it is left in the end, also
# on failure and Ctrl-C (see private.sh).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
readonly here

say() { printf '\n== %s\n' "$*"; }
die() {
	printf 'demo: %s\n' "$*" >&2
	exit 1
}

start_engine() {
	local d=$dir/engine i
	mkdir "$d"
	echo '{}' > "$d/daemon.json"
	dockerd --config-file "$d/daemon.json" --data-root "$d/data" --exec-root "$d/exec" --pidfile "$d/pid" \
		--host "unix://$d/sock" --cgroup-parent "$PRIVATE_CGROUP" --exec-opt native.cgroupdriver=cgroupfs \
		> "$d/log" 2>&1 &
	export DOCKER_HOST=unix://$d/sock
	for ((i = 0; i < 300; i++)); do
		if docker version > /dev/null 2>&1; then return; fi
		sleep 0.1
	done
	tail -20 "$d/log" >&2
	die 'the engine does not start'
}

# image builds demo:1 out of the machine's busybox; no registry is asked.
image() {
	local ctx=$dir/context bb lib
	bb=$(command -v busybox)
	mkdir -p "$ctx/bin"
	cp "$bb" "$ctx/bin/busybox"
	for lib in $(ldd "$bb" 2> /dev/null | grep -o '/[^ ]*' || true); do
		mkdir -p "$ctx${lib%/*}"
		cp -L "$lib" "$ctx$lib"
	done
	ln -s busybox "$ctx/bin/sh"
	tar -C "$ctx" -c . | docker import --change 'ENV PATH=/bin' --change 'LABEL app=demo' - demo:1 > /dev/null
}

# The container writes once; started on data that is there already, it only counts.
writer() {
	cat <<'SH'
if [ -e /data/db/blob ]; then
	set -- /data/db/row*
	echo "found $# rows"
else
	busybox mkdir -p /data/db /site/css
	i=0
	while [ $i -lt 400 ]; do echo "row $i" > /data/db/row$i; i=$((i+1)); done
	busybox dd if=/dev/urandom of=/data/db/blob bs=1M count=24 2> /dev/null
	busybox dd if=/dev/zero of=/data/db/sparse bs=1 count=1 seek=50M 2> /dev/null
	busybox ln /data/db/row1 /data/db/hard; busybox ln -s row2 /data/db/soft
	busybox chown 999:999 /data/db/row3; busybox chmod 4750 /data/db/row4; busybox mkfifo /data/db/queue
	echo "<h1>boats</h1>" > /site/index.html; echo "h1 { color: navy }" > /site/css/a.css
	echo written
fi
trap "exit 0" TERM; while :; do busybox sleep 1 & wait $!; done
SH
}

start_container() {
	local i
	docker volume create --label tier=gold notes > /dev/null
	docker run -d --name web --hostname web --network none --restart unless-stopped \
		--env COLOR=navy --label role=demo --memory 64m \
		-v notes:/data -v "$dir/site:/site" demo:1 sh -c "$(writer)" > /dev/null
	for ((i = 0; i < 300; i++)); do
		if docker logs web 2>&1 | grep -q written; then return; fi
		sleep 0.1
	done
	docker logs web >&2
	die 'the container does not write'
}

# files FOLDER describes a tree: type, mode, owner, size, time, links, target, content.
files() {
	(
		cd "$1"
		find . -printf '%P|%y|%m|%U:%G|%n|%l|%T@|' \( -type d -printf '\n' -o -printf '%s\n' \) | sort
		find . -type f -print0 | sort -z | xargs -0 sha256sum
	)
}
# container is the part of a container's definition that its owner wrote.
container() {
	docker inspect -f '{{json .Name}}{{println}}{{json .Config}}{{println}}{{json .HostConfig}}{{println}}{{.Image}}
		{{range .Mounts}}{{println}}{{json .}}{{end}}' web | sort # the engine lists mounts in any order
}
describe() { # $1: folder for the descriptions
	mkdir "$1"
	files "$dir/engine/data/volumes/notes/_data" > "$1/volume notes: every file"
	docker volume inspect -f '{{.Driver}}{{range $k, $v := .Options}} {{$k}}={{$v}}{{end}} {{json .Labels}}' notes > "$1/volume notes: driver, options, labels"
	files "$dir/site" > "$1/bind mount: every file"
	docker image inspect -f '{{.Id}} {{.RepoTags}}' demo:1 > "$1/image demo:1: id and tags"
	container > "$1/container web: definition"
}

# run_davit shows a davit command and runs it.
run_davit() {
	printf '\n$ davit'
	printf ' %s' "${@/#"$dir"/\$DEMO}"
	printf '\n'
	"$here/../davit" "$@"
}

backup() {
	export DAVIT_REPO=$dir/repo
	run_davit backup init --repo "$DAVIT_REPO"
	run_davit backup create --repo "$DAVIT_REPO"
	run_davit backup ls --repo "$DAVIT_REPO"
}

destroy() {
	docker rm -f web > /dev/null
	docker volume rm notes > /dev/null
	docker rmi -f demo:1 > /dev/null
	rm -rf "$dir/site"
	[ -z "$(docker ps -aq)$(docker volume ls -q)$(docker images -aq)" ] || die 'something is left on the engine'
	echo 'container web, volume notes, image demo:1 and the folder of the bind mount are gone'
}

restore() {
	run_davit backup restore --repo "$DAVIT_REPO" latest --containers --start --yes
}

compare() {
	local f bad=0
	for f in "$dir/before"/*; do
		if diff -u "$f" "$dir/after/${f##*/}" > "$dir/diff" 2>&1; then
			printf '  same   %s (%d lines)\n' "${f##*/}" "$(wc -l < "$f")"
		else
			printf '  DIFFERS %s\n' "${f##*/}"
			head -20 "$dir/diff"
			bad=1
		fi
	done
	return $bad
}

inside() {
	dir=$PRIVATE/disk
	say 'a private Docker engine'
	start_engine
	docker version --format 'engine {{.Server.Version}}, API {{.Server.APIVersion}}'
	echo "its folder, DEMO below: $dir"
	image
	start_container
	docker ps --format 'running: {{.Names}} ({{.Image}}), mounts {{.Mounts}}'
	docker exec web busybox du -sh /data /site
	describe "$dir/before"

	say 'back it up'
	backup
	say 'lose everything'
	destroy
	say 'get it back'
	restore

	say 'compare'
	describe "$dir/after"
	compare || die 'what came back is not what was there'
	echo "  the container runs again and says: $(docker logs web)"
	say "restored as it was; the demo took $SECONDS s"
}

case ${1:-} in
	'')
		[ -x "$here/../davit" ] || die 'no ./davit: run make build'
		[ "$(id -u)" = 0 ] || die 'needs root, to start a Docker engine of its own'
		engine=$("$here/engines.sh" any)
		export PATH="$engine:$PATH"
		exec "$here/private.sh" davit-demo "$0" --inside
		;;
	--inside) inside ;;
	*) die "unknown argument $1" ;;
esac
