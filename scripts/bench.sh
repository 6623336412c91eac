#!/bin/bash
# bench.sh - davit against its peers, in one run, as ratios.
#
#   make bench          (or scripts/bench.sh, with ./davit built; as root)
#
# On an ext4 file system of its own on a loop device, each round does the same work with
# every tool in turn; the numbers are medians over the rounds. Wall time includes a syncfs
# of that file system, for all tools alike, and begins with nothing to be written; the page
# cache is warm. Absolute times mean little on a shared machine, the ratios do.
#
#   BENCH_RUNS=5          rounds
#   BENCH_FILES=80000 BENCH_BYTES=2000000000    the tree (see bench/gentree)
#   BENCH_PG_SCALE=95     pgbench scale of the PostgreSQL folder, about 15.5 MB each
#   BENCH_SCAN=500000     files whose space davit diskscan, gdu, du and find add up
#   BENCH_ONLY=first,restore   measures nothing else; the parts are first, same, change,
#                         restore (each of the tree, with a first backup before it), pg,
#                         night (of the PostgreSQL folder), scan, and s3 (a smaller tree,
#                         repositories on an S3 server 20 ms away, see bench/s3.sh)
#   BENCH_OUT=FILE        keeps the single measurements there
#
# What is compared: davit in a clear repository, defaults; restic with its defaults (it
# always encrypts and cannot be told not to); sealed, which is davit encrypting for an age
# recipient; borg without encryption, zstd,3; kopia, if
# installed, with its defaults (encrypts) and zstd; tar | zstd -1 -T0, which keeps one full
# archive and no index. Beside restores stands what dd takes to write as many zeros.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
readonly here
runs=${BENCH_RUNS:-5}

die() {
	printf 'bench: %s\n' "$*" >&2
	exit 1
}
say() { printf '== %s\n' "$*" >&2; }

# ---- measuring ----

# measure ROW COMMAND... appends "ROW TOOL SECONDS KIB" to the results; TOOL is global.
measure() {
	local row=$1 began code=0
	shift
	sync -f "$disk"
	began=$EPOCHREALTIME
	command time -o "$PRIVATE/rss" -f '%M' "$@" > "$PRIVATE/log" 2>&1 || code=$?
	sync -f "$disk"
	if [ $code != 0 ]; then
		tail -n 5 "$PRIVATE/log" >&2
		say "$tool $row: exit $code, not counted"
		return 1
	fi
	awk -v row="$row" -v tool="$tool" -v a="$began" -v b="$EPOCHREALTIME" \
		'END {printf "%s %s %.3f %d\n", row, tool, b - a, $1}' "$PRIVATE/rss" >> "$results"
}
bytes_of() { find "$1" -type f -printf '%s\n' | awk '{n += $1} END {printf "%d", n}'; }
note() { printf '%s %s %s 0\n' "$1" "$tool" "$2" >> "$results"; }
shell() { bash -c "set -o pipefail; $1"; }

# ---- the tools: TOOL_init, TOOL_save TREE, TOOL_load; the repository is $repo ----

davit_init() { davit backup init --repo "$repo"; }
davit_save() { echo davit backup create --repo "$repo" --path "$1" --progress none; }
davit_load() { echo davit backup restore --repo "$repo" latest --to "$out" --yes --progress none; }

# davit again, encrypted for one age recipient.
sealed_init() {
	local key=$disk/home/sealed.txt
	[ -e "$key" ] || age-keygen -o "$key"
	davit --state-dir "$disk/home/sealed" backup init --repo "$repo" --recipient "$(sed -n 's/^# public key: //p' "$key")"
}
sealed_save() { echo davit --state-dir "$disk/home/sealed" backup create --repo "$repo" --path "$1" --progress none; }
sealed_load() { echo davit backup restore --repo "$repo" latest --to "$out" --identity-file "$disk/home/sealed.txt" --yes --progress none; }

restic_init() { restic -r "$repo" init; }
restic_save() { echo restic -r "$repo" backup --quiet "$1"; }
restic_load() { echo restic -r "$repo" restore latest --quiet --target "$out"; }

borg_init() { borg init -e none "$repo"; }
borg_save() { echo borg create -C zstd,3 "$repo::{now:%s.%f}" "$1"; }

kopia_init() {
	kopia repository create filesystem --path "$repo"
	kopia policy set --global --compression zstd
}
kopia_save() { echo kopia snapshot create --no-progress "$1"; }

tar_init() { mkdir "$repo"; }
tar_save() { echo "$0" --tar "$1" "$repo/all.tar.zst"; }
tar_load() { echo "$0" --untar "$repo/all.tar.zst" "$out"; }

environment() {
	export PATH=$PRIVATE/bin:$peers:$PATH HOME=$disk/home
	export RESTIC_PASSWORD=bench RESTIC_CACHE_DIR=$disk/home/restic BORG_BASE_DIR=$disk/home \
		BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes BORG_RELOCATED_REPO_ACCESS_IS_OK=yes \
		KOPIA_PASSWORD=bench KOPIA_CHECK_FOR_UPDATES=false
	mkdir -p "$disk/home" "$PRIVATE/bin"
	tools=(restic borg tar)
	if command -v kopia > /dev/null; then tools+=(kopia); fi
	if [ -x "$here/../davit" ]; then
		ln -s "$(readlink -f "$here/../davit")" "$PRIVATE/bin/davit"
		tools=(davit sealed "${tools[@]}")
	else
		say 'no ./davit: the peers alone'
	fi
	if [ -n "${BENCH_TOOLS:-}" ]; then read -r -a tools <<< "$BENCH_TOOLS"; fi
}

# ---- totals of a large tree ----

davit_scan() { echo davit diskscan --offline --progress none "$many"; }
gdu_scan() { echo gdu --non-interactive --no-progress --summarize "$many"; }
du_scan() { echo du -sx "$many"; }
find_scan() { echo find "$many" -xdev -size +200M; } # looks at every file, prints hardly any

scan_round() {
	for tool in davit gdu du find; do run_row scan scan; done
}

# What the disk alone takes for as many bytes as the tree has.
dd_load() { echo dd if=/dev/zero "of=$out/zeros" bs=1M "count=$(($(bytes_of "$tree") >> 20))" status=none; }

can() { declare -F "${tool}_$1" > /dev/null; }

# ---- the parts with helpers of their own ----

. "$here/bench/s3.sh"

# ---- the data ----

postgres() { # --make SCALE | --night SEED
	"$here/bench/postgres.sh" "$1" "$pg" "$2" > "$PRIVATE/log" 2>&1 || {
		tail "$PRIVATE/log" >&2
		die "PostgreSQL, $1: exit $?"
	}
}

make_data() {
	if wants first same change restore; then
		say "making a tree of ${BENCH_FILES:-80000} files"
		"$PRIVATE/bin/gentree" -files "${BENCH_FILES:-80000}" -bytes "${BENCH_BYTES:-2000000000}" "$tree"
		made "$tree"
	fi
	if wants pg night; then
		say 'making a PostgreSQL folder'
		chmod 711 "$PRIVATE" "$disk"
		postgres --make "${BENCH_PG_SCALE:-95}"
		made "$pg"
	fi
}

made() { # FOLDER: tells what is in it, and warms the cache
	say "$(find "$1" ! -type d | wc -l) files, $(bytes_of "$1") bytes"
	tar -C "$disk" -c "${1##*/}" | cat > /dev/null
}

wants() { # PART...: whether any of them is to be measured
	local part
	[ -n "${BENCH_ONLY:-}" ] || return 0
	for part; do
		case ,$BENCH_ONLY, in *,"$part",*) return 0 ;; esac
	done
	return 1
}

make_many() {
	say "making ${BENCH_SCAN:-500000} small files"
	"$PRIVATE/bin/gentree" -seed 7 -files "${BENCH_SCAN:-500000}" -bytes 100000000 "$many"
	for tool in davit gdu du find; do "${tool}_scan" | sh > "$PRIVATE/log"; done # warms the cache
}

# ---- one round ----

fresh() { # REPOSITORY: an empty one of the tool
	repo=$1
	rm -rf "$repo"
	"${tool}_init" > "$PRIVATE/log" 2>&1 || {
		tail -n 5 "$PRIVATE/log" >&2
		say "$tool: no repository"
		return 1
	}
}

run_row() { # ROW WHAT ARGUMENT
	local cmd
	read -r -a cmd <<< "$("${tool}_$2" "${3:-}")"
	measure "$1" "${cmd[@]}"
}

round() { # NUMBER
	# Whoever goes first pays for what the step before left to the kernel.
	tools=("${tools[@]:1}" "${tools[0]}")
	if wants first same change restore; then tree_round "$1"; fi
	if wants pg night; then pg_round "$1"; fi
}

tree_round() { # NUMBER
	for tool in "${tools[@]}"; do
		if fresh "$disk/repo-$tool" && run_row first save "$tree"; then note size "$(bytes_of "$repo")"; fi
	done
	for tool in "${tools[@]}"; do
		repo=$disk/repo-$tool
		if incremental && wants same; then run_row same save "$tree" || true; fi
	done
	if wants change; then change_round "$1"; fi
	for tool in "${tools[@]}" dd; do
		repo=$disk/repo-$tool out=$disk/out
		if ! wants restore || ! can load; then continue; fi
		mkdir "$out"
		if run_row restore load && [ "$tool$1" = davit1 ]; then same_tree; fi
		rm -rf "$out"
	done
	for tool in "${tools[@]}"; do rm -rf "$disk/repo-$tool"; done
}

incremental() { [ "$tool" != tar ]; }

change_round() { # NUMBER
	local before
	"$PRIVATE/bin/gentree" -seed "$((100 + $1))" -change 0.01 "$tree" >&2
	for tool in "${tools[@]}"; do
		repo=$disk/repo-$tool
		if ! incremental; then continue; fi
		before=$(bytes_of "$repo")
		if run_row change save "$tree"; then note new $(($(bytes_of "$repo") - before)); fi
	done
}

pg_round() { # NUMBER
	local before
	for tool in "${tools[@]}"; do
		case $tool in
			davit | restic | borg | tar)
				if fresh "$disk/repo-$tool" && run_row pg save "$pg"; then note pgsize "$(bytes_of "$repo")"; fi
				;;
		esac
	done
	if wants night; then
		postgres --night "$1"
		for tool in "${tools[@]}"; do
			repo=$disk/repo-$tool
			case $tool in davit | restic | borg)
				before=$(bytes_of "$repo")
				if run_row night save "$pg"; then note pgnew $(($(bytes_of "$repo") - before)); fi
				;;
			esac
		done
	fi
	for tool in "${tools[@]}"; do rm -rf "$disk/repo-$tool"; done
}

# A restore that is fast and wrong would be no news.
same_tree() {
	local top
	top=$(find "$out" -type d -name log -printf '%h\n' | awk '{print length, $0}' | sort -n | head -n 1 | cut -d' ' -f2-)
	rsync -aHAXSn --delete --itemize-changes "$tree/" "$top/" > "$PRIVATE/diff"
	if [ -s "$PRIVATE/diff" ]; then
		head -n 5 "$PRIVATE/diff" >&2
		die "davit's restore differs from the tree"
	fi
	say "davit's restore compared with rsync -aHAXS: the same"
}

# ---- the report ----

# ROW|PEER|MUST|AIM|TEXT, and |TOOL where it is not davit; memory has no peer, and its limits are MB.
readonly goals='first|restic|0.45|0.33|first backup
first|kopia|0.65|0.50|first backup
first|borg|0.65|0.50|first backup
first|tar|1.2|0.8|first backup vs tar, zstd -1 -T0
pg|restic|0.55|0.40|first backup, PostgreSQL folder
same|restic|0.15|0.10|unchanged tree
same|kopia|0.4|0.3|unchanged tree
change|restic|0.5|0.35|1 % of the files changed, time
new|restic|12|3|1 % of the files changed, new bytes
restore|restic|0.40|0.28|restore of the tree
restore|tar|0.65|0.42|restore vs zstd -d, tar x
size|restic|1.05|0.97|repository size
first|memory|250|150|peak memory, first backup (MB)
pg|memory|250|150|peak memory, PostgreSQL folder (MB)
night|restic|1.15|0.80|PostgreSQL, 1 % of the pages written, time
pgnew|restic|0.7|0.5|PostgreSQL, 1 % of the pages, new bytes
first|restic|0.48|0.40|first backup, encrypted|sealed
first|davit|1.15|1.08|first backup, encrypted vs clear|sealed
same|restic|0.15|0.10|unchanged tree, encrypted|sealed
restore|restic|0.45|0.30|restore of the tree, encrypted|sealed
first|memory|250|150|peak memory, encrypted (MB)|sealed
s3first|restic|0.5|0.4|first backup to S3, 20 ms away
s3first|restic|0.5|0.4|first backup to S3, encrypted|sealed
s3same|restic|0.3|0.2|unchanged tree, S3
s3same|restic|0.3|0.2|unchanged tree, S3, encrypted|sealed
s3restore|restic|1|0.5|restore from S3
s3restore|restic|1|0.5|restore from S3, encrypted|sealed
s3first|memory|250|150|peak memory, first backup to S3 (MB)
scan|gdu|0.65|0.50|diskscan totals, 500,000 files warm
scan|du|0.65|0.50|diskscan totals
scan|find|0.65|0.50|diskscan totals
scan|memory|40|30|peak memory, diskscan (MB)'

inside() {
	disk=$PRIVATE/disk results=$PRIVATE/results
	tree=$disk/tree pg=$disk/pg many=$disk/many
	: > "$results"
	mkdir -p "$PRIVATE/bin"
	(cd "$here/.." && go build -o "$PRIVATE/bin/gentree" ./scripts/bench/gentree &&
		go build -o "$PRIVATE/bin/farproxy" ./scripts/bench/farproxy &&
		go build -o "$PRIVATE/bin/age-keygen" filippo.io/age/cmd/age-keygen)
	environment # moves HOME, and with it Go's folders
	make_data
	for ((i = 1; i <= runs; i++)); do
		say "round $i of $runs, $SECONDS s"
		round "$i"
	done
	if wants scan; then
		make_many
		for ((i = 1; i <= runs; i++)); do scan_round; done
	fi
	if wants s3; then s3_part; fi
	if [ -n "${BENCH_OUT:-}" ]; then cp "$results" "$BENCH_OUT"; fi
	awk -v goals="$goals" -f "$here/bench/report.awk" "$results"
}

case ${1:-} in
	'')
		for part in $(tr , " " <<< "${BENCH_ONLY:-}"); do
			case $part in
				first | same | change | restore | pg | night | scan | s3) ;;
				*) die "BENCH_ONLY: there is no part called $part" ;;
			esac
		done
		[ "$(id -u)" = 0 ] || die 'needs root, to mount a file system of its own'
		peers=$("$here/peers.sh")
		s3server=$("$here/s3server.sh")
		export peers s3server PRIVATE_DISK=40G
		exec "$here/private.sh" davit-bench "$0" --inside
		;;
	--inside) inside ;;
	--tar) shell "tar -C '${2%/*}' -c '${2##*/}' | zstd -q -1 -T0 -o '$3'" ;;
	--untar) shell "zstd -q -d -c '$2' | tar -C '$3' -x" ;;
	*) die "unknown argument $1" ;;
esac
