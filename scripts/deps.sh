#!/bin/bash
# deps.sh GROUP... - what the machine needs beside Go, git and make, from Debian's archive.
#
#   build        nothing: the binary is static
#   test         tools the tests compare with, and Docker Engines to test on
#   integration  what hosts with systemd are made from
#   demo         a Docker Engine and what runs in it
#   bench        the tools davit is measured against
#   lint         shellcheck
#
# As root, missing packages are installed and each step is said in one line; nothing is
# done and nothing is said when all is there. Without root, one line says what is missing.
# docker.io is never installed: engines.sh unpacks it.
set -euo pipefail

say() { echo "deps.sh: $*" >&2; }
here=$(cd "$(dirname "$0")" && pwd)

engine="busybox-static iproute2 iptables kmod e2fsprogs debian-archive-keyring ca-certificates libdevmapper1.02.1 libseccomp2 libsystemd0"
packages() { # GROUP
	case $1 in
	build) ;;
	test) echo "$engine acl attr jq zstd rsync skopeo xfsprogs libcap2-bin procps xz-utils bzip2 openssh-client btrfs-progs" ;;
	integration) echo "$engine mmdebstrap systemd-container xfsprogs btrfs-progs rsync chromium ncdu zsh fish man-db$(virtual)" ;;
	demo) echo "$engine" ;;
	bench) echo "$engine borgbackup zstd rsync xfsprogs time gdu" ;;
	lint) echo shellcheck ;;
	*)
		sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2
		return 2
		;;
	esac
}

# A kernel with quotas, as a program: there are machines without. Debian has it for this architecture only.
virtual() { if [ "$(dpkg --print-architecture)" = amd64 ]; then echo " user-mode-linux"; fi; }

engines() { # GROUP
	case $1 in
	test | integration) echo "any 20.10 28.5" ;;
	demo) echo any ;;
	esac
}

missing_packages() { # PACKAGE...
	local p
	for p; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2> /dev/null || true)" = installed ] || echo "$p"
	done
}

# Waits for another apt, and tries again: mirrors have bad moments.
apt() {
	local i
	for i in 1 2 3; do
		if DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=5 \
			-o Acquire::http::Timeout=30 -o Dpkg::Use-Pty=0 "$@" > "$log" 2>&1; then return; fi
		say "apt-get $1: attempt $i of 3 did not succeed: $(grep -m 1 '^E:' "$log" || true)"
		sleep "$i"
	done
	cat "$log" >&2
	return 1
}

install() { # PACKAGE...
	if ! apt-get -qq install --simulate --no-install-recommends "$@" > /dev/null 2>&1; then
		say "reading the package lists"
		apt update
	fi
	say "installing $*"
	# A list that is too old names versions the mirror no longer has.
	apt install -y --no-install-recommends "$@" || { apt update && apt install -y --no-install-recommends "$@"; }
}

groups=("${@:-build}")
wanted=() versions=()
for g in "${groups[@]}"; do
	p=$(packages "$g")
	read -r -a p <<< "$p"
	wanted+=("${p[@]}")
	read -r -a v <<< "$(engines "$g")"
	versions+=("${v[@]}")
done
mapfile -t missing < <(missing_packages "${wanted[@]}" | sort -u)
if [ "$(id -u)" != 0 ]; then
	if [ ${#missing[@]} -gt 0 ]; then say "not root; missing: ${missing[*]}"; fi
	exit 0
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if [ ${#missing[@]} -gt 0 ]; then install "${missing[@]}"; fi
mapfile -t versions < <(printf '%s\n' "${versions[@]}" | sed '/^$/d' | sort -u)
for v in "${versions[@]}"; do "$here/engines.sh" "$v" > /dev/null; done
