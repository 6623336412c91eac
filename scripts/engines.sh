#!/bin/bash
# engines.sh VERSION - provide the binaries of a Docker Engine and print their folder.
#
#   any      the quickest to have: an installed dockerd, else 20.10
#   20.10    docker.io of Debian 12
#   28.5     docker.io of Debian's forky, on this machine's libc
#   29       dockerd built from moby's Go module (about 5 minutes, once), the rest of 28.5;
#            it starts containers with runc 1.2 or later only, as the test hosts have it
#
# The folder is to be put first on PATH: it has dockerd, docker, docker-proxy,
# docker-init, containerd, its shim and runc. An installed engine of the wanted version is
# linked there. Otherwise packages are unpacked by debs.sh: docker.io is never installed,
# since that would remove docker-ce and containerd.io.
#
# Folder: $DAVIT_ENGINES/VERSION, by default below $XDG_CACHE_HOME/davit-dev/engines or
# /var/cache/davit-dev/engines. Once complete it is used without any network. With
# DAVIT_ENGINES_UNPACK=1 an installed engine is left aside. What is done is said on stderr.
set -euo pipefail
umask 022

say() { echo "engines.sh: $*" >&2; }
die() { say "$@"; exit 1; }

version=${1:-}
case $version in
any | 20.10 | 28.5 | 29) ;;
*)
	sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2
	exit 2
	;;
esac
here=$(cd "$(dirname "$0")" && pwd)
cache=${DAVIT_ENGINES:-${XDG_CACHE_HOME:-/var/cache}/davit-dev/engines}
binaries=(dockerd docker docker-proxy docker-init containerd containerd-shim-runc-v2 runc)
# Debian keeps dockerd and runc in sbin, which may be missing in PATH.
system_path=/usr/bin:/usr/sbin:/usr/libexec/docker:$PATH:/usr/local/sbin:/usr/local/bin

found() { PATH=$system_path command -v "$1"; }

# An engine of the wanted version is installed, with all that belongs to it.
installed() { # VERSION
	local b
	[ -z "${DAVIT_ENGINES_UNPACK:-}" ] || return 1
	for b in "${binaries[@]}"; do
		found "$b" > /dev/null || return 1
	done
	[ "$1" = any ] || [[ $("$(found dockerd)" --version) == "Docker version $1."* ]]
}

complete() { # DIR
	local b
	for b in "${binaries[@]}"; do
		[ -x "$1/$b" ] || return 1
	done
	# Links to an installed engine hold until that one is upgraded.
	[ ! -L "$1/dockerd" ] || [ "$version" = any ] || installed "$version"
}

link_installed() { # DIR
	local b
	for b in "${binaries[@]}"; do ln -s "$(found "$b")" "$1/$b"; done
}

glibc_has() { # VERSION
	local have
	have=$(getconf GNU_LIBC_VERSION 2> /dev/null | awk '{print $2}')
	[ -n "$have" ] && [ "$(printf '%s\n%s\n' "$1" "$have" | sort -V | head -n 1)" = "$1" ]
}

# forky's Go binaries need glibc 2.34, only its runc needs 2.38. bookworm's runc serves
# that containerd as well.
unpack() { # VERSION TREE
	case $1 in
	20.10) "$here/debs.sh" bookworm "$2" docker.io containerd runc tini ;;
	28.5)
		"$here/debs.sh" forky "$2" docker.io docker-cli containerd tini-static
		if glibc_has 2.38; then "$here/debs.sh" forky "$2" runc; else "$here/debs.sh" bookworm "$2" runc; fi
		;;
	esac
}

# moby has no release of 29 as a Go module yet; its clients, containerd and runc may be older.
build_29() { # DIR
	local module=github.com/moby/moby/v2 version=v2.0.0-beta.24 b
	local variable=$module/dockerversion
	cp -a "$("$here/engines.sh" 28.5 8>&-)/." "$1"
	say "building dockerd of $module@$version"
	for b in dockerd docker-proxy; do
		rm "$1/$b"
		(cd / && GOBIN=$1 GOFLAGS='' CGO_ENABLED=0 go install -tags 'no_systemd exclude_graphdriver_btrfs' \
			-ldflags "-s -w -X $variable.Version=29.0.0-${version##*-} -X $variable.GitCommit=$version" \
			"$module/cmd/$b@$version") >&2
	done
}

# Moves the binaries of an unpacked tree together.
gather() { # TREE DIR
	local b f
	for b in "${binaries[@]}"; do
		case $b in
		docker-init) f=$(find "$1/usr" -name tini-static -type f -o -name docker-init -type f | sort -r | head -n 1) ;;
		*) f=$(find "$1/usr" -path '*bin/*' -name "$b" -type f | head -n 1) ;;
		esac
		[ -n "$f" ] || die "no $b in the packages of $version"
		mv "$f" "$2/$b"
	done
}

# A suite that is still being tested moves on.
check_version() { # VERSION DIR
	local got
	got=$("$2/dockerd" --version)
	[[ $got == "Docker version $1."* ]] || die "the archive's engine is no longer $1: $got"
}

check_libraries() { # DIR
	local missing
	missing=$(for b in "${binaries[@]}"; do ldd "$1/$b" 2>&1 || true; done | awk '/not found/ {print $1}' | sort -u | paste -sd ' ')
	[ -z "$missing" ] || die "missing for $version: $missing; run scripts/deps.sh test as root"
}

if [ "$version" = any ] && ! installed any; then version=20.10; fi
mkdir -p "$cache" || die "cannot write $cache: run it as root or set DAVIT_ENGINES"
cache=$(cd "$cache" && pwd)
dir=$cache/$version
exec 8> "$cache/lock-$version" # 29 asks for 28.5 meanwhile
flock 8
if ! complete "$dir"; then
	work=$(mktemp -d "$cache/new.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	mkdir "$work/bin" "$work/tree"
	if [ "$version" = 29 ]; then
		build_29 "$work/bin"
		check_version "$version" "$work/bin"
	elif installed "$version"; then
		link_installed "$work/bin"
	else
		unpack "$version" "$work/tree" 8>&-
		gather "$work/tree" "$work/bin"
		check_libraries "$work/bin"
		check_version "$version" "$work/bin"
	fi
	chmod 0755 "$work"
	rm -rf "$dir"
	mv "$work/bin" "$dir"
fi
echo "$dir"
