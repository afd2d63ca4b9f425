#!/bin/sh
# Puts the chart library where it is embedded. Says in one line when it can not.
set -eu
cd "$(dirname "$0")/.."
to=webui/third_party
if [ -f "$to/uPlot.iife.min.js" ] && [ "$to/uPlot.iife.min.js" -nt webui/package-lock.json ]; then
	exit 0
fi
if ! command -v npm >/dev/null 2>&1; then
	echo "npm is missing: building without charts (apt-get install npm gives them)"
	exit 0
fi
from=webui/node_modules/uplot
if [ ! -d "$from" ]; then
	(cd webui && npm ci --omit=dev --ignore-scripts --no-audit --no-fund --silent) || {
		echo "npm ci failed: building without charts"
		exit 0
	}
fi
cp "$from/dist/uPlot.iife.min.js" "$from/dist/uPlot.min.css" "$to/"
cp "$from/LICENSE" "$to/LICENSE.uPlot"
touch "$to/uPlot.iife.min.js"
