#!/bin/sh
# The measurements in docs/measurements.md: layouts of a node, time and cachegrind's counts.
#   bench/bench_node_layouts.sh BUILD_DIR
# Real keys are the paths of dpkg's file lists, which every Debian has.
set -eu
program=$1/bench/bench_node_layouts
keys=$(mktemp)
trap 'rm -f "$keys"' EXIT
cat /var/lib/dpkg/info/*.list | grep . | LC_ALL=C sort -u >"$keys"
layouts='slots inter dense4 cellref dense8 packed packd8 actual bfree sse2'

# The layouts take turns in each of eleven rounds; medians.
"$program" all random 2000000 200000
"$program" all "$keys" 2000000 200000 8

# counts LAYOUT KEYS RECORDS LOOKUPS VALUE_BYTES: instructions, data refs, D1, LL, mispredicts
counts()
{
	ONCE=1 valgrind --tool=cachegrind --cache-sim=yes --branch-sim=yes \
		--cachegrind-out-file=/dev/null "$program" "$@" 2>&1 | tr -d , | awk '
		/I +refs:/ { i = $NF }
		/D +refs:/ { d = $4 }
		/D1 +misses:/ { m = $4 }
		/LLd misses:/ { l = $4 }
		/Mispredicts:/ { p = $3 }
		END { print i, d, m, l, p }'
}

for set in "random 500000 100" "$keys 2000000 8"; do
	# shellcheck disable=SC2086 # three words on purpose
	set -- $set
	echo "counts for one get, $2 records at most"
	for l in $layouts; do
		echo "$l $(counts "$l" "$1" "$2" 0 "$3") $(counts "$l" "$1" "$2" 100000 "$3")"
	done | awk '{
		printf "%-8s %5.0f instructions %4.0f data refs %5.1f D1 misses %5.2f LL misses %5.1f mispredicts\n",
			$1, ($7 - $2) / 1e5, ($8 - $3) / 1e5, ($9 - $4) / 1e5, ($10 - $5) / 1e5, ($11 - $6) / 1e5 }'
done
