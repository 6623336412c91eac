#!/bin/bash
# debs.sh SUITE DIR PACKAGE... - unpack packages of a Debian suite into DIR.
#
# Nothing is installed and no dependency is followed: the .debs are fetched by apt and
# unpacked with dpkg -x. apt gets a state of its own, in the folder $DAVIT_DEBS (default
# $XDG_CACHE_HOME/davit-dev/debs or /var/cache/davit-dev/debs), so that a suite this
# machine does not use can be read without changing what the machine knows. The packages
# come from the mirror the machine already uses, and the archive's signatures are checked.
# One line per package goes to stderr.
set -euo pipefail
umask 022

say() { echo "debs.sh: $*" >&2; }
die() { say "$@"; exit 1; }

if [ $# -lt 3 ]; then
	sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2
	exit 2
fi
suite=$1
dir=$2
shift 2
state=${DAVIT_DEBS:-${XDG_CACHE_HOME:-/var/cache}/davit-dev/debs}/$suite
mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$dir"
state=$(cd "$state" && pwd)
dir=$(cd "$dir" && pwd)

# The lists of a suite still being tested count as expired a few days after they were made, and all as not yet
# valid where the clock is behind: dates are left aside, signatures are not.
apt() {
	apt-get -o Dir::Etc::sourcelist="$state/sources.list" -o Dir::Etc::sourceparts=/dev/null \
		-o Dir::State::lists="$state/lists" -o Dir::State::status="$state/status" -o Dir::Cache="$state/cache" \
		-o Acquire::Languages=none -o Acquire::Check-Date=false -o Acquire::Retries=5 \
		-o Acquire::http::Timeout=30 -o APT::Sandbox::User=root -qq "$@" >&2
}

retry() {
	local i
	for i in 1 2 3; do
		if "$@"; then return; fi
		say "attempt $i of 3 did not succeed: $*"
		sleep "$i"
	done
	return 1
}

# The first archive in this machine's apt configuration whose address ends like that.
# shellcheck disable=SC2016  # apt fills these in
archive() { # PATTERN
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | sort -u | grep -E "$1" | head -n 1 || true
}

write_sources() {
	local key='[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]' main security
	main=$(archive '/debian/?$')
	[ -n "$main" ] || die "apt knows no Debian mirror here: run apt-get update"
	echo "deb $key $main $suite main"
	case $suite in
	bookworm | trixie)
		security=$(archive '/debian-security/?$')
		echo "deb $key $main $suite-updates main"
		if [ -n "$security" ]; then echo "deb $key $security $suite-security main"; fi
		;;
	esac
}

exec 9> "$state/lock"
flock 9
: > "$state/status"
write_sources > "$state/sources.list"
# A list older than a day may name versions that the mirror no longer has.
if [ -z "$(find "$state/updated" -mtime -1 2> /dev/null)" ]; then
	say "reading the package lists of $suite"
	retry apt update || die "cannot read the package lists of $suite"
	touch "$state/updated"
fi
cd "$state/cache"
for p; do
	rm -f "${p}"_*.deb
	retry apt download "$p" || die "cannot fetch $p of $suite"
	deb=$(find . -maxdepth 1 -name "${p}_*.deb")
	dpkg -x "$deb" "$dir"
	say "unpacked $p $(dpkg-deb -f "$deb" Version) of $suite"
	rm -f "$deb"
done
