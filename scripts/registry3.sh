#!/bin/bash
# registry3.sh - build distribution's registry, version 3, and print the path of its binary.
#
# It is built once, from the Go module proxy, into $XDG_CACHE_HOME/davit-dev/registry3 or
# /var/cache/davit-dev/registry3.
set -euo pipefail
umask 022

version=v3.0.0
cache=${XDG_CACHE_HOME:-/var/cache}/davit-dev
mkdir -p "$cache"
exec 8> "$cache/registry3.lock"
flock 8
dir=$cache/registry3
if [ ! -x "$dir/$version/registry" ]; then
	GOFLAGS=-mod=mod GOBIN=$dir/$version go install "github.com/distribution/distribution/v3/cmd/registry@$version" >&2 8>&-
fi
echo "$dir/$version/registry"
