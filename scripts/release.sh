#!/bin/bash
# release.sh [FOLDER] - everything that is given away, into FOLDER (dist/release):
#
#   davit-VERSION-linux-ARCH.tar.gz   program, manual pages, completions, units, LICENSE
#   davit_VERSION_ARCH.deb, .rpm      the same as packages
#   davit-VERSION-linux-ARCH.cdx.json what the program is made of (CycloneDX)
#   SHA256SUMS
#
# for amd64, arm64 and armv7. Two runs on one commit give the same bytes: times are the
# commit's. release.sh --check makes what is committed twice, in two folders, and compares.
#
# Needs Go and network for nfpm and the modules. VERSION and COMMIT are make's; with
# MACHINES="amd64" only these are made.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
readonly here nfpm=github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.43.4

git() { command git -C "$here" -c safe.directory='*' "$@"; }
VERSION=${VERSION:-$(git describe --tags --match 'v*' 2> /dev/null || echo dev)}
COMMIT=${COMMIT:-$(git describe --always --dirty --exclude '*' --abbrev=12 2> /dev/null || echo unknown)}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2> /dev/null || echo 0)}
export VERSION COMMIT SOURCE_DATE_EPOCH GOFLAGS=-buildvcs=false CGO_ENABLED=0 LC_ALL=C TZ=UTC
umask 022

# A version that packages can compare: v1.2.3 is 1.2.3, v1.2.3-4-gabc is 1.2.3+4.gabc, and one
# without a tag is older than all.
package_version() {
	case $VERSION in
		v[0-9]*)
			local v=${VERSION#v}
			if [[ $v =~ ^([^-]+)-([0-9]+)-(g[0-9a-f]+)$ ]]; then
				echo "${BASH_REMATCH[1]}+${BASH_REMATCH[2]}.${BASH_REMATCH[3]}"
			else
				echo "${v//-/\~}"
			fi
			;;
		*) echo "0.0.0~$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y%m%d%H%M%S).${COMMIT//[^a-z0-9]/.}" ;;
	esac
}

# build NAME GOARCH GOARM: the program for one machine.
build() {
	GOOS=linux GOARCH=$2 GOARM=$3 go build -C "$here" -trimpath \
		-ldflags "-s -w -X main.version=$VERSION -X main.commit=$COMMIT" -o "$work/davit-$1" ./cmd/davit
	go run -C "$here" ./scripts/sbom "$work/davit-$1" > "$out/davit-$VERSION-linux-$1.cdx.json"
}

# stage NAME: the tree as it lies on a host.
stage() {
	local s=$work/stage-$1
	DESTDIR=$s/root PREFIX=/usr ZSHDIR=/zsh BINARY=$work/davit-$1 "$here/scripts/install.sh" install
	mv "$s/root/zsh/_davit" "$s/zsh"
	rmdir "$s/root/zsh"
	gzip -n -9 "$s/root/usr/share/man/man1"/*.1
	cp -r "$here/LICENSE" "$here/README.md" "$here/CHANGELOG.md" "$here/scripts/package" "$s/"
	find "$s" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
}

# An archive is unpacked in /usr/local: tar xzf FILE --strip-components=1 -C /usr/local
archive() { # NAME
	local s=$work/archive-$1 name=davit-$VERSION-linux-$1
	DESTDIR=$s PREFIX=/usr/local SYSCONFDIR=/usr/local/share/doc BINARY=$work/davit-$1 "$here/scripts/install.sh" install
	cp "$here/LICENSE" "$here/README.md" "$here/CHANGELOG.md" "$s/usr/local/share/doc/davit/"
	tar -C "$s/usr/local" --sort=name --owner=0 --group=0 --numeric-owner --format=gnu --mtime="@$SOURCE_DATE_EPOCH" \
		--transform="s,^\.,$name," -c . | gzip -n -9 > "$out/$name.tar.gz"
}

packages() { # NAME GOARCH
	local kind
	for kind in deb rpm; do
		(cd "$work/stage-$1" && PACKAGE_ARCH=$2 PACKAGE_VERSION=$(package_version) \
			"$work/nfpm" package -f package/nfpm.yaml -p "$kind" -t "$out" > /dev/null)
	done
}

release() { # FOLDER
	out=$(realpath -m "$1")
	rm -rf "$out"
	mkdir -p "$out"
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	GOBIN=$work go install "$nfpm"
	make -s -C "$here" dist-files
	local name goarch goarm
	while read -r name goarch goarm; do
		[[ " ${MACHINES:-$name} " == *" $name "* ]] || continue
		build "$name" "$goarch" "${goarm:-}"
		stage "$name"
		archive "$name"
		packages "$name" "$goarch${goarm:-}"
	done <<-'LIST'
		amd64 amd64
		arm64 arm64
		armv7 arm 7
	LIST
	(cd "$out" && sha256sum -- *.tar.gz *.deb *.rpm *.json > SHA256SUMS)
	rm -rf "$work"
	trap - EXIT
}

case ${1:-} in
	--check)
		both=$(mktemp -d)
		head=$(git rev-parse HEAD) # it may move meanwhile
		for n in one another; do
			mkdir "$both/source-$n"
			git archive "$head" | tar -C "$both/source-$n" -x
			"$both/source-$n/scripts/release.sh" "$both/$n" > /dev/null
		done
		code=0
		diff -r "$both/one" "$both/another" || code=$?
		cat "$both/one/SHA256SUMS"
		rm -rf "$both"
		[ "$code" = 0 ] || { echo 'release.sh: two builds of one commit differ' >&2; exit 1; }
		echo 'release.sh: two builds of one commit are the same' >&2
		;;
	-*)
		sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2
		exit 2
		;;
	*)
		release "${1:-$here/dist/release}"
		cat "$out/SHA256SUMS"
		;;
esac
