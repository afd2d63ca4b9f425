#!/bin/sh
# size.sh FILE LIMIT: fails if FILE is larger than LIMIT bytes.
set -eu
size=$(wc -c <"$1")
echo "$1: $size bytes"
[ "$size" -le "$2" ] || { echo "larger than the limit of $2 bytes"; exit 1; }
