#!/usr/bin/env bash
# The memory with many changes: how fast they are loaded, how large the file becomes, and how
# long questions take, beside a plain SQLite table with a row per change. Fails where a target
# is missed.
#
#   bench/memory.sh [CHANGES]      100,000,000 unless said: some 20 minutes, 1 GB of disk
#
# The changes are made of a recorded day of route-views2 below $DEPEER_DATA (else
# shared/data beside the repository). DEPEER_BENCH_DIR is where the files are made (the folder of
# temporary files), DEPEER_ROWS how many changes the plain table gets at most (3,000,000: it
# grows by 100 octets for each). TIMES=0 judges the size alone: on a machine that does other
# things too, times say little.
set -euo pipefail
cd "$(dirname "$0")/.."
changes=${1:-100000000}
data=${DEPEER_DATA:-$(dirname "$PWD")/shared/data}
if [ ! -d "$data/mrt/routeviews2-2008-02" ]; then
	echo "no recorded data at $data (set DEPEER_DATA)"
	exit 0
fi
out=$(mktemp)
trap 'rm -f "$out"' EXIT
DEPEER_DATA=$data DEPEER_CHANGES=$changes DEPEER_ROWS=${DEPEER_ROWS:-3000000} \
	go test -run '^$' -bench '^BenchmarkMemory$' -benchtime 1x -timeout 3h ./watch/timeline/sqlite | tee "$out"

# value UNIT: of the line of results, which has pairs of numbers and units.
value() { awk -v unit="$1" '/^BenchmarkMemory/ { for (i = 1; i < NF; i++) if ($(i + 1) == unit) print $i }' "$out"; }

failed=0
# judge UNIT OPERATOR BOUND
judge() {
	local got
	got=$(value "$1")
	if [ -n "$got" ] && awk -v a="$got" -v b="$3" "BEGIN { exit !(a $2 b) }"; then
		echo "ok      $1 is $got, wanted $2 $3"
	else
		echo "MISSED  $1 is ${got:-not reported}, wanted $2 $3"
		failed=1
	fi
}

judge B/change '<' 20
if [ "${TIMES:-1}" != 0 ]; then
	judge changes/s '>=' 100000
	judge ms-routes-p99 '<' 50
	judge ms-month-p99 '<' 50
	judge ms-year-p99 '<' 200
fi
exit "$failed"
