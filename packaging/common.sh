# shellcheck shell=bash disable=SC2034 # for scripts that source it
# What the scripts that make the packages share. Source it with the repository's root as the current folder. Builds and
# packages go below DIST, which is build/dist unless the environment names another folder.
. packaging/versions

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
soname=libtokenmgr.so.${version%%.*}
dist=${DIST:-$PWD/build/dist}
packages=$dist/packages

# One time for everything, that of the last commit; where there are no commits, that of the last release.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)}
export SOURCE_DATE_EPOCH LC_ALL=C TZ=UTC
umask 022

# use_target TARGET: sets machine and libc (glibc or musl), and stage, where its build goes in build/'s shape.
use_target() {
    target=$1
    machine=${target%%-*}
    case $target in
        *-gnu) libc=glibc ;;
        *-musl) libc=musl ;;
        *) echo "unknown target: $target; there are: ${targets[*]}" >&2; return 2 ;;
    esac
    stage=$dist/$target
}

# even FOLDER: gives everything in it one time, and rights that do not depend on who made it.
even() {
    chmod -R u=rwX,go=rX "$1"
    find "$1" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
}

# pack FOLDER ARCHIVE: a tarball with names in order and no owners.
pack() {
    even "$1"
    tar --sort=name --format=posix --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime \
        --owner=0 --group=0 --numeric-owner -C "$(dirname "$1")" -c "$(basename "$1")" |
        gzip -9n >"$2"
}
