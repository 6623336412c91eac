#!/bin/bash
# mkroot.sh [--suite SUITE] FOLDER PACKAGE,PACKAGE... [OPTION OF MMDEBSTRAP...] - make a Debian
# root, of bookworm or SUITE: the smallest variant with these packages, from the mirrors this
# machine already uses, without documentation. As root; needs mmdebstrap (deps.sh integration).
set -euo pipefail
suite=bookworm
if [ "$1" = --suite ]; then
	suite=$2
	shift 2
fi
folder=$1 packages=$2
shift 2
list=$(mktemp) log=$(mktemp)
trap 'rm -f "$list" "$log"' EXIT

apt-get indextargets --format 'deb $(REPO_URI) main' 'Created-By: Packages' > "$log"
main=$(sed -nE 's|^deb ([^ ]*/debian/?) .*|\1|p' "$log" | sort -u | sed -n 1p)
security=$(sed -nE 's|^deb ([^ ]*/debian-security/?) .*|\1|p' "$log" | sort -u | sed -n 1p)
if [ -z "$main" ]; then
	echo 'mkroot.sh: apt knows no Debian mirror here: run apt-get update' >&2
	exit 1
fi
{
	echo "deb $main $suite main"
	echo "deb $main $suite-updates main"
	if [ -n "$security" ]; then echo "deb $security $suite-security main"; fi
} > "$list"

if ! mmdebstrap --quiet --variant=minbase --mode=root --include="$packages" --keyring=/usr/share/keyrings \
	--aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' \
	--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
	"$@" "$suite" "$folder" "$list" 2> "$log"; then
	tail "$log" >&2
	exit 1
fi
