#!/usr/bin/env bash
# Where families went: precision, recall, how often a score is right, and the false alarms on cuts
# that never happened, over the reconstructions; then over real weeks of a tracker, where they
# lie below $DEPEER_DATA (else shared/data beside the repository).
set -euo pipefail
cd "$(dirname "$0")/.."
depeer=${DEPEER:-bin/depeer}
[ -x "$depeer" ] || { depeer=$(mktemp -d)/depeer && go build -o "$depeer" ./cmd/depeer; }
"$depeer" backtest --fit watch/testdata/*.txtar | sed -n '/^How often/,$p'
go test -run '^$' -bench Controls -benchtime 1x ./watch/cnc | grep -E 'false-alarms|SKIP|no recorded|hoster-years' || echo "no recorded weeks of a tracker: the controls above are of reconstructions alone"
