#!/bin/sh
# mutants.sh [IMAGES]: breaks copies of the source on purpose, one line each,
# and wants the crash images to show it. A check that cannot fail is none.
set -eu
cd "$(dirname "$0")/.."
images=${1:-500}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM
git ls-files -z -- go.mod go.sum hub tsdb store bench | tar --null -T - -cf "$dir/tree.tar"
failed=0

# mutant NAME FILE SED-EXPRESSION
mutant() {
	rm -rf "$dir/tree" && mkdir "$dir/tree" && tar -xf "$dir/tree.tar" -C "$dir/tree"
	sed -i "$3" "$dir/tree/$2"
	if cmp -s "$2" "$dir/tree/$2"; then
		echo "$1: the line to break is not in $2 any more" && failed=1
		return
	fi
	echo "== $1 ($2)"
	(cd "$dir/tree/bench" && go build -o "$dir/crash" ./cmd/crash)
	if "$dir/crash" -images "$images" -show 2; then
		echo "NOT CAUGHT" && failed=1
	elif [ $? = 2 ]; then
		failed=1
	fi
}

mutant "ring never flushed" tsdb/ring.go '/^func (r \*ring) commit/,/^}/s/r\.f\.Sync()/error(nil)/'
mutant "checksum of a record ignored" tsdb/ring.go '/^func (r \*ring) parse/,/^}/s/ || binary.LittleEndian.Uint32(b\[4:\]) != crc(b\[8:\])//'
mutant "segment never flushed" tsdb/persist.go '/^func (db \*DB) persist(/,/^}/s/err = s\.f\.Sync()/err = nil/'
mutant "decisions.db never flushed" store/store.go 's/NoFreelistSync: true,/NoFreelistSync: true, NoSync: true,/'
exit $failed
