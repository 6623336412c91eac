#!/bin/bash
# sshd.sh - provide Debian 12's ssh server and print the folder of its tree.
#
# It is unpacked by debs.sh, not installed, which would start it, to
# $XDG_CACHE_HOME/davit-dev/sshd or /var/cache/davit-dev/sshd; once there it is used without
# any network. Run FOLDER/usr/sbin/sshd with the libraries of FOLDER/usr/lib.
set -euo pipefail
umask 022

here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-/var/cache}/davit-dev
mkdir -p "$cache"
exec 8> "$cache/sshd.lock"
flock 8
dir=$cache/sshd
if [ ! -x "$dir/usr/sbin/sshd" ]; then
	work=$(mktemp -d "$cache/new.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	"$here/debs.sh" bookworm "$work" openssh-server libwrap0 8>&-
	# Found without the name of the machine's architecture.
	mv "$work"/usr/lib/*/libwrap.so.0* "$work/usr/lib/"
	chmod 0755 "$work"
	rm -rf "$dir"
	mv "$work" "$dir"
fi
echo "$dir"
