#!/bin/bash
# testimage.sh [ENGINE] - make the file system image that test hosts are copied from, and print
# its path: an ext4 of 8 GiB, sparse, with Debian, mostly with systemd and D-Bus, and an engine:
#
#   20.10    docker.io of bookworm, on bookworm (systemd 252); this is the usual one
#   26.1     docker.io of trixie, on trixie (systemd 257)
#   28.5     engines.sh 28.5 in the place of trixie's
#   29       engines.sh 29 in the place of trixie's
#   sysv     as 20.10, started by the scripts of System V's init instead of systemd
#   openrc   the same with OpenRC
#
# It is made once (about a minute) for each version of this script, below $XDG_CACHE_HOME or
# /var/cache, in davit-dev/testhost. Needs root.
set -euo pipefail
engine=${1:-20.10}
case $engine in
	20.10 | sysv | openrc) suite=bookworm ;;
	26.1 | 28.5 | 29) suite=trixie ;;
	*)
		sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2
		exit 2
		;;
esac
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-/var/cache}/davit-dev/testhost
init=systemd
case $engine in sysv | openrc) init=$engine ;; esac
readonly here cache engine suite init

settings() { # ROOT
	# nspawn mounts the cgroup v1 controllers read-only. They are made writable before systemd
	# starts: it looks once which of them it can use for limits, and dockerd needs them, too.
	cat > "$1/sbin/testinit" <<-'I'
		#!/bin/sh
		for c in /sys/fs/cgroup /sys/fs/cgroup/*; do mountpoint -q "$c" && mount -o remount,rw,bind "$c"; done
		[ -x /lib/systemd/systemd ] || exec /sbin/init
		exec /lib/systemd/systemd "$@"
	I
	chmod 755 "$1/sbin/testinit"
	: > "$1/etc/resolv.conf" # nothing outside is reachable, so fail fast
	echo testhost > "$1/etc/hostname"
	if [ "$init" = systemd ]; then systemd_settings "$1"; else sysv_settings "$1"; fi
}

sysv_settings() { # ROOT
	# There are no terminals. Whoever mounts another /sys at boot hides the cgroups below it.
	sed -i -e '/getty/d' -e '/^si:/a cg::bootwait:ls /sys/fs/cgroup | grep -q . || umount -l /sys' "$1/etc/inittab"
	echo 'none /sys/fs/cgroup cgroup noauto 0 0' >> "$1/etc/fstab" # docker's script need not mount them
	echo 'ulimit() { :; } # this host may not raise its limits' >> "$1/etc/default/docker"
}

systemd_settings() { # ROOT
	local unit=$1/etc/systemd/system
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
}

# trixie's docker.io comes without the client.
more_packages() {
	if [ "$suite" = trixie ]; then echo ,docker-cli,passwd; fi
	case $init in
		systemd) echo ,systemd,systemd-sysv,dbus ;;
		sysv) echo ,sysvinit-core,sysv-rc,initscripts ;;
		openrc) echo ,sysvinit-core,openrc ;;
	esac
}

# The units of the package stay: they start whatever dockerd and containerd there are. runc is forky's, for which the
# libc of this machine may be too old, but trixie's is not.
replace_engine() { # ROOT
	local b bin to
	bin=$("$here/engines.sh" "$engine")
	"$here/debs.sh" forky "$work/forky" runc
	for b in dockerd docker docker-proxy containerd containerd-shim-runc-v2 runc; do
		to=$(find "$1/usr" -path '*bin/*' -name "$b" -type f)
		[ "$b" != runc ] || bin=$work/forky/usr/sbin
		cp -L "$bin/$b" "${to:-$1/usr/bin/$b}"
	done
}

mkdir -p "$cache"
image=$cache/$engine-$(sha256sum < "$0" | cut -c 1-12).ext4
exec 9> "$cache/lock-$engine"
flock 9
if [ ! -e "$image" ]; then
	echo 'testimage.sh: making the image of the test hosts, once' >&2
	"$here/deps.sh" integration
	work=$(mktemp -d "$cache/work.XXXXXX")
	trap 'rm -rf --one-file-system "$work"' EXIT
	"$here/mkroot.sh" --suite "$suite" "$work/root" "kmod,iproute2,iptables,procps,docker.io,busybox-static,\
e2fsprogs,xfsprogs,rsync,jq,attr,acl,libcap2-bin,ca-certificates$(more_packages | tr -d '\n')"
	case $engine in
		28.5 | 29) replace_engine "$work/root" ;;
	esac
	settings "$work/root"
	truncate -s 8G "$work/image"
	mkfs.ext4 -q -F -d "$work/root" "$work/image"
	rm -f "$cache/$engine"-*.ext4 # of earlier versions
	mv "$work/image" "$image"
fi
echo "$image"
