#!/bin/bash
# fixtures.sh - make testdata/repository-v1 again: a repository of format 1 with a tree
# that has one of each kind of entry. It is kept as the first release wrote it, and every
# release restores it (backup/golden_test.go); so this is run only for a new format
# version, into a new folder. As root, with ./davit built.
set -euo pipefail
cd "$(dirname "$0")/.."
out=testdata/repository-v1
[ ! -e "$out" ] || { echo "fixtures: $out exists, and is kept for ever" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/golden
scripts/goldentree.sh "$tree"
DAVIT_STATE_DIR=$work/state DAVIT_CACHE_DIR=$work/cache ./davit backup init --repo "$out"
DAVIT_STATE_DIR=$work/state DAVIT_CACHE_DIR=$work/cache ./davit backup create --repo "$out" --path "$tree" --progress none
rm "$out/davit/locks/write.lock"
find "$out" -type d -empty -delete # git does not keep them
