#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs the first example of verso.h (the program in $1) in a new, empty folder, and looks at what it prints.
set -eu
program=$(realpath "$1")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
printed=$(cd "$folder" && "$program")
if [ "$printed" != "1737 km" ]; then
	echo "The first example printed '$printed', expected '1737 km'." >&2
	exit 1
fi
