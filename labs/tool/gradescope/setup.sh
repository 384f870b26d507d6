#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes the image: what the lab needs, and the engine built. This is the only step that needs a network.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends gcc libc6-dev binutils pkg-config python3 util-linux procps \
	check libsubunit-dev libxxhash-dev libsqlite3-dev
# The labs read TOML with Python's own module, which came with 3.11. Ubuntu 22.04 has it beside an older one.
python3 -c 'import tomllib' 2>/dev/null || apt-get install -q -y --no-install-recommends python3.11
python=python3
python3 -c 'import tomllib' 2>/dev/null || python=python3.11

cd "$here/verso"
$python lab doctor
$python lab prepare LAB_NUMBER
