#!/bin/bash
# freshmachine.sh [COMMAND...] - run .ci/run (or COMMAND) of a clean clone on a new machine.
#
# The machine is a Debian 12 root of mmdebstrap's smallest variant with git, make and this
# machine's Go, and nothing else: no Go caches, no packages, no engines. It proves that the
# project's own files get what they need. It runs in namespaces of its own, on a
# file system of its own, with this machine's network, mirror and certificates; all of it
# is gone in the end (see private.sh). What is committed counts, not the work tree.
#
# Needs root and the network; takes 1 minute and the time of the command.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
readonly here

say() { printf 'freshmachine: %s\n' "$*" >&2; }

make_root() { # FOLDER
	"$here/mkroot.sh" "$1" git,make,ca-certificates
	# Only what reaches the network: names, certificates, proxies.
	cp -L /etc/resolv.conf "$1/etc/resolv.conf"
	if [ -d /usr/local/share/ca-certificates ]; then
		cp -r /usr/local/share/ca-certificates/. "$1/usr/local/share/ca-certificates/"
		chroot "$1" update-ca-certificates > /dev/null
	fi
	apt-config dump | grep -iE '^Acquire::https?::Proxy' > "$1/etc/apt/apt.conf.d/proxy" || true
	cp -r "$(go env GOROOT)" "$1/usr/local/go"
}

# enter makes FOLDER the root. A chroot would not do: programs that make mounts of their own
# want / to be a mount.
enter() { # FOLDER
	mount --bind "$1" "$1"
	mount -t proc proc "$1/proc"
	mount --rbind /sys "$1/sys"
	mount --rbind /dev "$1/dev"
	mount -t tmpfs tmpfs "$1/run"
	mkdir "$1/old"
	cd "$1"
	pivot_root . old
	cd /
	umount -l /old
	rmdir /old
}

inside() {
	local root=$PRIVATE/disk/root git=(git -c safe.directory='*')
	say 'making the root'
	make_root "$root"
	"${git[@]}" clone --quiet --no-hardlinks "$here/.." "$root/root/davit"
	say "$("${git[@]}" -C "$root/root/davit" log -1 --format='commit %h'), packages: $(chroot "$root" dpkg-query -W | wc -l);" \
		"running $* after $SECONDS s"
	local settings=(HOME=/root LANG=C.UTF-8 TERM=dumb GOPROXY="$(go env GOPROXY)" GOSUMDB="$(go env GOSUMDB)"
		PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
	enter "$root"
	env -i "${settings[@]}" bash -c 'cd /root/davit && exec "$@"' - "$@"
	say "$*: ok, $SECONDS s in all"
}

case ${1:-} in
	--inside)
		shift
		inside "$@"
		;;
	*)
		"$here/deps.sh" integration
		if [ $# = 0 ]; then set -- .ci/run; fi
		export PRIVATE_NET=host PRIVATE_DISK=40G
		exec "$here/private.sh" davit-fresh "$0" --inside "$@"
		;;
esac
