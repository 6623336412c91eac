#!/bin/bash
# pgimage.sh - make the files of an image with PostgreSQL, for tests of hosts, and print the path of their tar: Debian 12
# with PostgreSQL 15. It is made once (about a minute) for each version of this script, below $XDG_CACHE_HOME or
# /var/cache, in davit-dev/pgimage. Needs root and `deps.sh integration`.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-/var/cache}/davit-dev/pgimage
readonly here cache

mkdir -p "$cache"
tar=$cache/pg-$(sha256sum < "$0" | cut -c 1-12).tar
exec 9> "$cache/lock"
flock 9
if [ ! -e "$tar" ]; then
	echo 'pgimage.sh: making the PostgreSQL image of the tests, once' >&2
	"$here/deps.sh" integration
	work=$(mktemp -d "$cache/work.XXXXXX")
	trap 'rm -rf --one-file-system "$work"' EXIT
	"$here/mkroot.sh" "$work/root" postgresql-15 --dpkgopt='path-exclude=/usr/share/locale/*'
	rm -rf "$work/root"/{dev,proc,sys,boot,var/lib/apt,var/cache,var/lib/postgresql/15,usr/lib/x86_64-linux-gnu/libLLVM*,usr/lib/llvm*}
	mkdir "$work/root"/{dev,proc,sys}
	tar -C "$work/root" -c . > "$work/tar"
	rm -f "$cache"/pg-*.tar # of earlier versions
	mv "$work/tar" "$tar"
fi
echo "$tar"
