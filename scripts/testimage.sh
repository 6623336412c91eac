#!/bin/bash
# testimage.sh - make the file system image that test hosts are copied from, and print its
# path: an ext4 of 8 GiB, sparse, with Debian 12, systemd, D-Bus and docker.io. It is made
# once (about a minute) for each version of this script, below $XDG_CACHE_HOME or /var/cache, in
# davit-dev/testhost. Needs root.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-/var/cache}/davit-dev/testhost
readonly here cache

settings() { # ROOT
	local unit=$1/etc/systemd/system
	# nspawn mounts the cgroup v1 controllers read-only. They are made writable before systemd
	# starts: it looks once which of them it can use for limits, and dockerd needs them, too.
	cat > "$1/sbin/testinit" <<-'I'
		#!/bin/sh
		for c in /sys/fs/cgroup /sys/fs/cgroup/*; do mountpoint -q "$c" && mount -o remount,rw,bind "$c"; done
		exec /lib/systemd/systemd
	I
	chmod 755 "$1/sbin/testinit"
	mkdir -p "$unit/docker.service.d" "$unit/docker.socket.d" \
		"$1/etc/systemd/journald.conf.d" "$1/etc/systemd/system.conf.d"
	# Tests stop and start the engine more often than Debian's limits allow.
	printf '[Unit]\nStartLimitIntervalSec=0\n' | tee "$unit/docker.service.d/test.conf" > "$unit/docker.socket.d/test.conf"
	printf '[Journal]\nStorage=persistent\n' > "$1/etc/systemd/journald.conf.d/test.conf"
	printf '[Manager]\nDefaultTimeoutStopSec=20s\n' > "$1/etc/systemd/system.conf.d/test.conf"
	ln -sf /dev/null "$unit/systemd-firstboot.service"
	ln -sf /dev/null "$unit/apt-daily.timer"
	ln -sf /dev/null "$unit/apt-daily-upgrade.timer"
	ln -sf /dev/null "$unit/dpkg-db-backup.timer"
	ln -sf /dev/null "$unit/e2scrub_all.timer"
	ln -sf /dev/null "$unit/fstrim.timer"
	: > "$1/etc/machine-id" # each host gets its own at the first boot
	: > "$1/etc/resolv.conf" # nothing outside is reachable, so fail fast
	echo testhost > "$1/etc/hostname"
}

mkdir -p "$cache"
image=$cache/bookworm-$(sha256sum < "$0" | cut -c 1-12).ext4
exec 9> "$cache/lock"
flock 9
if [ ! -e "$image" ]; then
	echo 'testimage.sh: making the image of the test hosts, once' >&2
	"$here/deps.sh" integration
	work=$(mktemp -d "$cache/work.XXXXXX")
	trap 'rm -rf --one-file-system "$work"' EXIT
	"$here/mkroot.sh" "$work/root" "systemd,systemd-sysv,dbus,kmod,iproute2,iptables,procps,docker.io,busybox-static,\
e2fsprogs,xfsprogs,rsync,jq,attr,acl,libcap2-bin,ca-certificates"
	settings "$work/root"
	truncate -s 8G "$work/image"
	mkfs.ext4 -q -F -d "$work/root" "$work/image"
	rm -f "$cache"/bookworm-*.ext4 # of earlier versions
	mv "$work/image" "$image"
fi
echo "$image"
