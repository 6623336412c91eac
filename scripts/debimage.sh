#!/bin/bash
# debimage.sh PACKAGE,PACKAGE... - make the files of an image of Debian 12 with these packages, for tests, and print the
# path of their tar. It is made once for each set of packages and version of mkroot.sh, below $XDG_CACHE_HOME or
# /var/cache, in davit-dev/debimage. Needs root and `deps.sh integration`.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-/var/cache}/davit-dev/debimage
readonly here cache

mkdir -p "$cache"
tar=$cache/$1-$(sha256sum < "$here/mkroot.sh" | cut -c 1-12).tar
exec 9> "$cache/lock"
flock 9
if [ ! -e "$tar" ]; then
	echo "debimage.sh: making an image with $1, once" >&2
	work=$(mktemp -d "$cache/work.XXXXXX")
	trap 'rm -rf --one-file-system "$work"' EXIT
	"$here/mkroot.sh" "$work/root.tar" "$1" >&2
	rm -f "$cache/$1"-????????????.tar # of earlier versions
	mv "$work/root.tar" "$tar"
fi
echo "$tar"
