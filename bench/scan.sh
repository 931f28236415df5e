#!/usr/bin/env bash
# CPU seconds of a whole process, user and system, the least of several runs:
# scan over a plain archive beside bgpdump -m over the same one. Fails where a
# ratio is missed.
#
#   ARCHIVE=day.mrt bench/scan.sh     any uncompressed archive of updates
#
# Without ARCHIVE it is made of a recorded day of route-views2 below
# $DEPEER_DATA (else shared/data beside the repository).
set -euo pipefail
cd "$(dirname "$0")/.."
data=${DEPEER_DATA:-$(dirname "$PWD")/shared/data}/mrt/routeviews2-2008-02
runs=${RUNS:-5}
depeer=${DEPEER:-./depeer}

if ! command -v bgpdump >/dev/null; then
	echo "bgpdump is not installed: nothing to compare with"
	exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ -z "${ARCHIVE:-}" ]; then
	if [ ! -d "$data" ]; then
		echo "no recorded data at $data (set DEPEER_DATA)"
		exit 0
	fi
	ARCHIVE=$work/day.mrt
	for f in "$data"/updates.20080223.*.bz2; do
		{ lbzip2 -dc "$f" 2>/dev/null || bzip2 -dc "$f"; } >>"$ARCHIVE"
	done
fi
[ -x "$depeer" ] || { depeer=$work/depeer && go build -o "$depeer" ./cmd/depeer; }

# A watchlist of 1,000 AS numbers and 10,000 prefixes, the same every time.
awk 'BEGIN {
	srand(7); print "hosters:"
	for (i = 0; i < 100; i++) {
		printf "  - id: h%d\n    asns: [", i
		for (k = 0; k < 10; k++) printf "%s%d", k ? ", " : "", 64512 + 10 * i + k
		printf "]\n    prefixes: ["
		for (k = 0; k < 100; k++) {
			n = 100 * i + k
			if (k % 10 == 9) printf ", 2a%02x:%x00::/32", n / 256 % 256, n % 256
			else printf "%s%d.%d.%d.0/24", k ? ", " : "", 1 + n % 223, int(256 * rand()), int(n / 223) * 5 % 256
		}
		print "]"
	}
}' >"$work/watch.yaml"

# cpu COMMAND...: the least CPU seconds of $runs runs.
cpu() {
	local best="" s
	for _ in $(seq "$runs"); do
		s=$( { TIMEFORMAT='%U %S'; time "$@" >/dev/null 2>&1; } 2>&1 | awk '{ print $1 + $2 }')
		best=$(awk -v a="$s" -v b="${best:-$s}" 'BEGIN { print a < b ? a : b }')
	done
	echo "$best"
}

reference=$(RUNS=1 runs=2 cpu bgpdump -m "$ARCHIVE")
failed=0
row() { # NAME SECONDS WANTED-RATIO
	awk -v n="$1" -v s="$2" -v r="$reference" -v want="$3" 'BEGIN {
		printf "%-44s %7.3f s   %6.1f times less (wanted: %d)\n", n, s, r / s, want
		exit r / s < want }' || failed=1
}
echo "bgpdump -m: $reference CPU seconds"
row "scan --count, 1,000 ASNs and 10,000 prefixes" "$(cpu "$depeer" scan --count --watchlist -c "$work/watch.yaml" "$ARCHIVE")" 60
row "scan, every line" "$(cpu "$depeer" scan "$ARCHIVE")" 10
exit $failed
