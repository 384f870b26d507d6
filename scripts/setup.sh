# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# What ./demo and ./test begin with: Debian's packages and a build. To be sourced, from the top folder.

need_packages=(gcc g++ libc6-dev meson ninja-build pkg-config python3 libxxhash-dev liburing-dev
    libsqlite3-dev liblmdb-dev check scdoc python3-hypothesis)

say()
{
    printf '%s\n' "$*"
}

as_root()
{
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        say "This needs root, and there is no sudo: $*" >&2
        return 1
    fi
}

package_is_there()
{
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Installs what is missing, and nothing when nothing is.
install_packages()
{
    local missing=() package

    if ! command -v dpkg-query >/dev/null; then
        say "Not a Debian system: these packages of Debian name what is needed:"
        say "    ${need_packages[*]}"
        return 0
    fi
    for package in "${need_packages[@]}"; do
        package_is_there "$package" || missing+=("$package")
    done
    if [ ${#missing[@]} = 0 ]; then
        return 0
    fi
    say "Installing from Debian: ${missing[*]}"
    # The lists that a fresh machine has may be missing or too old to name files that still exist.
    if ! as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null 2>&1; then
        as_root apt-get update -qq
        as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
    fi
}

# Debian's own meson, which fits Debian's own python, before another in the PATH.
find_meson()
{
    if [ -x /usr/bin/meson ]; then
        say /usr/bin/meson
    else
        command -v meson
    fi
}

# build_in FOLDER OPTION...: configures FOLDER, an old one too, and builds there. Quiet unless it fails.
build_in()
{
    local folder=$1 log=$1.log meson
    shift

    meson=$(find_meson)
    {
        if [ -f "$folder/build.ninja" ]; then
            "$meson" configure "$folder" "$@"
        else
            "$meson" setup "$folder" "$@"
        fi &&
            "$meson" compile -C "$folder"
    } >"$log" 2>&1 || {
        cat "$log" >&2
        say "The build in $folder failed; its messages stand above and in $log." >&2
        return 1
    }
    rm -f "$log"
}
