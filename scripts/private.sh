#!/bin/bash
# private.sh NAME COMMAND [ARGUMENT...] - run a command that leaves nothing behind.
#
# The command runs as root in a temporary folder, /tmp/NAME.XXXXXX (below TMPDIR if that is
# set), which it finds in $PRIVATE, and in namespaces of its own for network, mounts,
# processes and IPC. Empty folders lie over /run and over the settings and state of davit
# and docker, so that nothing of the machine's is read or changed. When the command ends,
# is interrupted or killed, its processes and mounts go with the namespaces; then the
# folder and the cgroup /NAME-XXXXXX ($PRIVATE_CGROUP) are removed.
#
# With PRIVATE_NET=host the network is the machine's.
#
# $PRIVATE/disk is a folder on ext4, xfs or btrfs: where the temporary folder is on
# another file system (overlay2 does not work on an overlay), or with PRIVATE_DISK=SIZE, it
# is a new ext4 file system on a loop device.
set -euo pipefail

die() {
	printf '%s\n' "$*" >&2
	exit 1
}

# clean_up runs on every way out. Killing unshare kills the first process of the
# namespace, and the kernel the rest.
clean_up() {
	local i
	trap '' INT TERM HUP
	if [ -n "$inner" ] && kill -KILL "$inner" 2> /dev/null; then
		wait "$inner" 2> /dev/null || true
	fi
	for ((i = 0; i < 100; i++)); do
		if remove_cgroups && rm -rf --one-file-system "$PRIVATE" 2> /dev/null; then return; fi
		sleep 0.1 # the kernel is still ending the namespaces
	done
	printf 'could not remove %s\n' "$PRIVATE" >&2
}

remove_cgroups() {
	local c
	for c in "/sys/fs/cgroup$PRIVATE_CGROUP" /sys/fs/cgroup/*"$PRIVATE_CGROUP"; do
		if [ -d "$c" ]; then find "$c" -depth -type d -exec rmdir {} + 2> /dev/null || return 1; fi
	done
}

outside() {
	[ "$(id -u)" = 0 ] || die "$1: needs root, for namespaces and mounts of its own"
	local code=0
	inner=''
	PRIVATE=$(mktemp -d -t "$1.XXXXXX")
	PRIVATE_CGROUP=/$1-${PRIVATE##*.}
	export PRIVATE PRIVATE_CGROUP
	trap clean_up EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	shift
	local net=(--net)
	if [ "${PRIVATE_NET:-}" = host ]; then net=(); fi
	# In the background, so that a signal to this shell is seen at once.
	unshare --mount "${net[@]}" --ipc --pid --fork --kill-child --mount-proc --propagation private \
		-- bash "$0" --inside "$@" < /dev/null &
	inner=$!
	wait "$inner" || code=$?
	inner=''
	exit "$code"
}

cover() { # FOLDER...: those that exist
	local d
	for d; do
		if [ -d "$d" ]; then mount -t tmpfs -o mode=755 tmpfs "$d"; fi
	done
}

disk() {
	mkdir "$PRIVATE/disk"
	if [ -z "${PRIVATE_DISK:-}" ]; then
		case $(stat -f -c %T "$PRIVATE") in
			ext2/ext3 | xfs | btrfs) return ;;
		esac
	fi
	truncate -s "${PRIVATE_DISK:-2G}" "$PRIVATE/disk.img"
	mkfs.ext4 -q -F -E lazy_itable_init=0 "$PRIVATE/disk.img"
	mount -o loop "$PRIVATE/disk.img" "$PRIVATE/disk"
}

case ${1:-} in
	--inside)
		shift
		cover /run /etc/docker /etc/davit /var/lib/davit /var/cache/davit
		mkdir -p /run/lock
		disk
		if [ "${PRIVATE_NET:-}" != host ]; then ip link set lo up; fi
		export DAVIT_STATE_DIR=$PRIVATE/state DAVIT_CACHE_DIR=$PRIVATE/disk/cache
		# davit guard and the engine are children of this shell, which reaps them.
		"$@"
		;;
	'' | -*) die 'usage: private.sh NAME COMMAND [ARGUMENT...]' ;;
	*)
		[ $# -ge 2 ] || die 'private.sh: no command'
		outside "$@"
		;;
esac
