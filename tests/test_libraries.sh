#!/bin/sh
# SPDX-License-Identifier: MIT
# What a program outside finds: both libraries export the names of verso.h and nothing else, and the
# first example, built with what pkg-config says and the static library, runs.
#   test_libraries.sh LIBVERSO.a LIBVERSO.so VERSO.pc SOURCE_ROOT COMPILER...
set -eu
archive=$1 shared=$2 pc=$3 root=$4
shift 4
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT

fail()
{
	echo "$*" >&2
	exit 1
}

names()
{
	nm --defined-only --extern-only --format=posix "$@" | awk 'NF > 1 { print $1 }' | sort -u
}

names "$archive" >"$prefix/static"
names -D "$shared" >"$prefix/shared"
foreign=$(grep -cv '^verso_' "$prefix/static" || true)
[ "$foreign" = 0 ] || fail "libverso.a exports $foreign names that are not verso_*:" \
	"$(grep -v '^verso_' "$prefix/static" | head -5)"
diff "$prefix/static" "$prefix/shared" >&2 || fail "libverso.a and libverso.so export different names"
for name in $(grep -hE '^[a-z].*[ *]verso_[a-z_]+\(' "$root"/include/*.h | grep -vE 'typedef|^static' | grep -oE 'verso_[a-z_]+\(' | tr -d '('); do
	grep -qx "$name" "$prefix/static" || fail "$name() of the public headers is in no library"
done
# Each call that may fail has a row of the test that a failing call has a text.
for name in $(grep -hoE '^int verso_[a-z_]+\(' "$root"/include/*.h | grep -oE 'verso_[a-z_]+'); do
	grep -q "ROW(${name#verso_})" "$root/tests/test_verso_texts.c" || fail "$name() has no row in tests/test_verso_texts.c"
done

# As if installed in $prefix, without the shared library.
sed "s|^prefix=.*|prefix=$prefix|" "$pc" >"$prefix/verso.pc"
export PKG_CONFIG_PATH="$prefix${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}"
lib=$(pkg-config --variable=libdir verso)
include=$(pkg-config --variable=includedir verso)
case $lib:$include in
"$prefix"/*:"$prefix"/*) ;;
*)
	echo "skipped: libdir and includedir are not below the prefix"
	exit 77
	;;
esac
mkdir -p "$lib" "$include"
cp "$archive" "$lib"
cp "$root"/include/*.h "$include"

# shellcheck disable=SC2046 # flags are words
"$@" -o "$prefix/first" "$root/tests/header.c" $(pkg-config --static --cflags --libs verso)
sh "$root/tests/first_example.sh" "$prefix/first"

# The whole program static, where the other libraries are there so.
echo 'int main(void) { return 0; }' >"$prefix/empty.c"
# shellcheck disable=SC2046
if "$@" -static -o "$prefix/empty" "$prefix/empty.c" $(pkg-config --static --libs liburing libxxhash) 2>/dev/null; then
	"$@" -static -o "$prefix/static_first" "$root/tests/header.c" $(pkg-config --static --cflags --libs verso)
	sh "$root/tests/first_example.sh" "$prefix/static_first"
fi
