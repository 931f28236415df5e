#!/usr/bin/env bash
# The board of 1,000 hosters with a year of history: how long answers take; then whether 500 readers of
# the stream and 200 requests a second slow down the detection while 20,000 updates a second come in. It prints
# ratios against the same ingest without them, round by round in one run. Times say little on
# a machine that does other things too; it fails only where a reader was not told everything once and in
# order, or where an answer was a fault of the server.
#
#   bench/web.sh            some 10 minutes, 2 GB of memory, 1 GB of disk
#
# DEPEER_HOSTERS, DEPEER_CHANGES (of routes, in the past), DEPEER_DAYS say how large the world is; DEPEER_RATE (updates a
# second), DEPEER_READERS, DEPEER_REQUESTS (a second), DEPEER_SECONDS (of each part of a round) and DEPEER_ROUNDS what
# it has to carry. The requests are made by wrk, which bench/web.lua holds to the rate.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
depeer=${DEPEER:-bin/depeer}
[ -x "$depeer" ] || { depeer=$work/depeer && go build -o "$depeer" ./cmd/depeer; }
go build -o "$work/load" ./bench/load
command -v wrk >/dev/null || echo "wrk is not installed (Debian: wrk): the stream is measured without requests"

world=(-depeer "$depeer" -hosters "${DEPEER_HOSTERS:-1000}" -changes "${DEPEER_CHANGES:-5000000}" -days "${DEPEER_DAYS:-365}" -rate "${DEPEER_RATE:-20000}")
"$work/load" "${world[@]}" -asks "${DEPEER_ASKS:-200}" questions
"$work/load" "${world[@]}" -readers "${DEPEER_READERS:-500}" -requests "${DEPEER_REQUESTS:-200}" \
	-seconds "${DEPEER_SECONDS:-30}" -rounds "${DEPEER_ROUNDS:-3}" stream
