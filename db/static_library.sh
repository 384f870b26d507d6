#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes libverso.a of the floors: one object in which only the names of verso.h are global.
#   static_library.sh OUTPUT OBJCOPY AR FLOOR.a... -- COMPILER...
set -eu
output=$1 objcopy=$2 ar=$3
shift 3
floors=
while [ "$1" != -- ]; do
	floors="$floors $1"
	shift
done
shift
object=$(dirname "$output")/verso.o
# shellcheck disable=SC2086 # one word for each floor
"$@" -r -nostdlib -o "$object" -Wl,--whole-archive $floors -Wl,--no-whole-archive
"$objcopy" --wildcard --keep-global-symbol='verso_*' "$object"
rm -f "$output"
"$ar" rcs "$output" "$object"
rm -f "$object"
