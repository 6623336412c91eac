# s3.sh - the part s3 of bench.sh, which reads this file: a tree of 20,000 files and 500 MB to
# and from repositories on versitygw, a real S3 server, which farproxy moves 20 ms away. Every
# tool has its defaults: davit sends 16 files at once, restic 5 larger ones.
#
#   BENCH_S3_FILES=20000 BENCH_S3_BYTES=500000000    the tree
#   BENCH_S3_LOG=FILE      keeps a line for each request there
#
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # repo, out, disk, runs, tool and s3server are bench.sh's

s3_part() {
	local far=$disk/far
	"$PRIVATE/bin/gentree" -seed 11 -files "${BENCH_S3_FILES:-20000}" -bytes "${BENCH_S3_BYTES:-500000000}" "$far"
	made "$far"
	s3_server
	for ((i = 1; i <= runs; i++)); do s3_round "$far"; done
}

# s3_server starts the server and the way to it. Both end with the namespace.
s3_server() {
	export AWS_ACCESS_KEY_ID=bench AWS_SECRET_ACCESS_KEY=bench-secret AWS_REGION=us-east-1
	mkdir -p "$disk/s3/bucket"
	ROOT_ACCESS_KEY=bench ROOT_SECRET_KEY=bench-secret "$s3server" --quiet --keep-alive --port 127.0.0.1:9000 \
		${BENCH_S3_LOG:+--access-log "$BENCH_S3_LOG"} posix "$disk/s3" > "$PRIVATE/s3.log" 2>&1 &
	farproxy -round-trip 20ms 127.0.0.1:9001 127.0.0.1:9000 &
	for ((i = 0; i < 100; i++)); do
		if (: < /dev/tcp/127.0.0.1/9000) 2> /dev/null && (: < /dev/tcp/127.0.0.1/9001) 2> /dev/null; then return; fi
		sleep 0.1
	done
	die "the S3 server does not listen: $(tail -n 3 "$PRIVATE/s3.log")"
}

s3_url() { # the repository of the tool
	case $tool in
		restic) echo "s3:http://127.0.0.1:9001/bucket/restic" ;;
		*) echo "s3://http://127.0.0.1:9001/bucket/$tool" ;;
	esac
}

s3_fresh() {
	repo=$(s3_url)
	rm -rf "$disk/s3/bucket/$tool"
	"${tool}_init" > "$PRIVATE/log" 2>&1 || die "$tool: no repository on S3: $(tail -n 3 "$PRIVATE/log")"
}

s3_round() { # TREE
	local tools=(restic davit sealed)
	for tool in "${tools[@]}"; do
		s3_fresh
		run_row s3first save "$1" || continue
		note s3files "$(find "$disk/s3/bucket/$tool" -type f | wc -l)"
	done
	for tool in "${tools[@]}"; do
		repo=$(s3_url)
		run_row s3same save "$1" || true
	done
	for tool in "${tools[@]}"; do
		repo=$(s3_url) out=$disk/out
		mkdir "$out"
		if run_row s3restore load && [ "$tool" != restic ]; then tree=$1 same_tree; fi
		rm -rf "$out"
	done
}
