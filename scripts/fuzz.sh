#!/bin/sh
# fuzz.sh TIME: runs every fuzz target of the module for TIME.
set -eu
cd "$(dirname "$0")/.."
for dir in $(grep -rl '^func Fuzz' --include='*_test.go' . | grep -v node_modules | xargs -n1 dirname | sort -u); do
	for target in $(grep -rhoE '^func Fuzz[A-Za-z0-9_]+' "$dir"/*_test.go | sed 's/func //' | sort -u); do
		echo "== $dir $target"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$1" -fuzzminimizetime 20x "$dir"
	done
done
