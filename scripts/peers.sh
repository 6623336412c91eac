#!/bin/bash
# peers.sh - get the tools that davit is measured against, and print their folder.
#
#   restic       0.19 of Debian's testing suite, unpacked only
#   borg, zstd, tar, rsync   Debian's packages of this machine (deps.sh bench)
#   PostgreSQL   the installed one, else Debian's, unpacked only; for a real data folder
#   kopia        only if it is installed already: Debian has none, and its Go module is not
#                served by every module proxy
#
# The folder holds links to the programs, to be put first on PATH. It is
# $DAVIT_PEERS, by default below $XDG_CACHE_HOME or /var/cache, in davit-dev/peers.
# Versions and what is done go to stderr. Needs root.
set -euo pipefail
umask 022
here=$(cd "$(dirname "$0")" && pwd)
folder=${DAVIT_PEERS:-${XDG_CACHE_HOME:-/var/cache}/davit-dev/peers}
mkdir -p "$folder/bin"
folder=$(cd "$folder" && pwd)

"$here/deps.sh" bench
if [ ! -x "$folder/restic/usr/bin/restic" ]; then "$here/debs.sh" forky "$folder/restic" restic; fi
ln -sfn "$folder/restic/usr/bin/restic" "$folder/bin/restic"

# postgres finds its share folder and libraries relative to itself, so a tree that was
# only unpacked runs; the libraries that the machine lacks are unpacked beside it.
postgres_bin() { printf '%s\n' "$1"/usr/lib/postgresql/*/bin/postgres | tail -n 1; }
pg=$(postgres_bin '')
if [ ! -x "$pg" ]; then
	pg=$(postgres_bin "$folder/postgres")
	if [ ! -x "$pg" ]; then
		. /etc/os-release
		mapfile -t debs < <(apt-get -s --no-install-recommends install postgresql postgresql-client | awk '/^Inst /{print $2}')
		"$here/debs.sh" "$VERSION_CODENAME" "$folder/postgres" "${debs[@]}"
		pg=$(postgres_bin "$folder/postgres")
	fi
	libs=$(find "$folder/postgres/usr/lib" -name '*.so.*' -printf '%h\n' | sort -u | paste -sd:)
fi
for b in initdb pg_ctl pgbench psql createdb; do
	rm -f "$folder/bin/$b"
	printf '#!/bin/sh\nexport LD_LIBRARY_PATH=%s\nexec %s "$@"\n' "${libs:-}" "${pg%/*}/$b" > "$folder/bin/$b"
	chmod 755 "$folder/bin/$b"
done

{
	"$folder/bin/restic" version
	borg --version
	zstd --version
	tar --version | sed -n 1p
	rsync --version | sed -n 1p
	"$folder/bin/initdb" --version
	if command -v kopia > /dev/null; then kopia --version; else echo 'kopia: not installed, left out'; fi
} >&2
echo "$folder/bin"
