#!/bin/bash
# registry.sh - provide Debian 12's docker-registry and print the path of its binary.
#
# It is unpacked by debs.sh, not installed, to $XDG_CACHE_HOME/davit-dev/registry or
# /var/cache/davit-dev/registry; once there it is used without any network.
set -euo pipefail
umask 022

here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-/var/cache}/davit-dev
mkdir -p "$cache"
exec 8> "$cache/registry.lock"
flock 8
dir=$cache/registry
if [ ! -x "$dir/usr/bin/docker-registry" ]; then
	work=$(mktemp -d "$cache/new.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	"$here/debs.sh" bookworm "$work" docker-registry 8>&-
	chmod 0755 "$work"
	rm -rf "$dir"
	mv "$work" "$dir"
fi
echo "$dir/usr/bin/docker-registry"
