#!/bin/bash
# s3server.sh - provide versitygw, an S3 server over a folder, and print the path of its binary.
#
# It is built from its Go module, with its own versions of everything, to
# $XDG_CACHE_HOME/davit-dev/s3server or /var/cache/davit-dev/s3server; once there it is used
# without any network.
set -euo pipefail
umask 022
version=v1.8.0

cache=${XDG_CACHE_HOME:-/var/cache}/davit-dev
mkdir -p "$cache"
exec 8> "$cache/s3server.lock"
flock 8
dir=$cache/s3server/$version
if [ ! -x "$dir/versitygw" ]; then
	work=$(mktemp -d "$cache/new.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	GOBIN=$work GOFLAGS=-trimpath CGO_ENABLED=0 go install "github.com/versity/versitygw/cmd/versitygw@$version" >&2
	chmod 0755 "$work"
	mkdir -p "${dir%/*}"
	rm -rf "$dir"
	mv "$work" "$dir"
fi
echo "$dir/versitygw"
