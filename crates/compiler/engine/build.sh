#!/bin/sh
# Builds engine.wasm: QuickJS-ng and our own C in native/, for WebAssembly, without WASI.
#
#   build.sh              builds engine.wasm and engine.wasm.sha256
#   build.sh --check      builds into a temporary folder and compares with the files that are checked in
#   build.sh --packages   prints the Debian packages that give the same bytes
#
# Needs these packages (`make engine` installs them), and cargo, which fetches the sources of QuickJS-ng.
set -eu

# The same bytes come only out of the same compiler and C library: Debian 12's, of these versions.
PACKAGES="clang-19=1:19.1.7-3~deb12u1 lld-19=1:19.1.7-3~deb12u1 libclang-rt-19-dev-wasm32=1:19.1.7-3~deb12u1
wasi-libc=0.0~git20220510.9886d3d-2"
# QuickJS-ng 0.16.2 is a folder of this crate.
SOURCES_CRATE=rquickjs-sys
SOURCES_VERSION=0.14.0

here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

installed_version() {
    dpkg-query --show --showformat='${Version}' "$1" 2>/dev/null || echo none
}

# The compiler is right where all the packages that put bytes into the result are of the recorded versions.
is_recorded_compiler() {
    for package in $PACKAGES; do
        [ "$(installed_version "${package%%=*}")" = "${package#*=}" ] || return 1
    done
}

# Has cargo fetch the crate, checked against the index, through a manifest that asks for nothing else; prints the folder of the sources.
find_sources() {
    mkdir -p "$scratch/sources/src"
    : >"$scratch/sources/src/lib.rs"
    cat >"$scratch/sources/Cargo.toml" <<MANIFEST
[package]
name = "sources"
version = "0.0.0"
edition = "2021"
[workspace]
[dependencies]
$SOURCES_CRATE = { version = "=$SOURCES_VERSION", default-features = false }
MANIFEST
    manifest="$scratch/sources/Cargo.toml"
    cargo fetch --quiet --manifest-path "$manifest" --offline 2>/dev/null || cargo fetch --quiet --manifest-path "$manifest"
    cargo metadata --quiet --format-version 1 --offline --manifest-path "$manifest" |
        tr ',' '\n' | sed -n "s|^\"manifest_path\":\"\(.*/$SOURCES_CRATE-$SOURCES_VERSION\)/Cargo.toml\".*|\1/quickjs|p" | head -n 1
}

# compile SOURCE OBJECT: paths must not reach the object, or the result would depend on the machine.
compile() {
    clang-19 --target=wasm32-wasi -O2 -c "$1" -o "$2" \
        -include "$here/native/platform.h" -I"$sources" -I"$here/native" \
        -ffile-prefix-map="$sources"=quickjs -ffile-prefix-map="$here"=engine \
        -D_GNU_SOURCE -DNDEBUG -DEMSCRIPTEN=1 -DFE_DOWNWARD=0 -DFE_UPWARD=0 $3
}

# build TARGET
build() {
    sources=$(find_sources)
    [ -f "$sources/quickjs.c" ] || { echo "build.sh: cargo did not give the sources of $SOURCES_CRATE $SOURCES_VERSION" >&2; exit 1; }
    objects="$scratch/objects"
    mkdir -p "$objects"
    compiling=""
    for name in quickjs libregexp libunicode dtoa; do
        compile "$sources/$name.c" "$objects/1-$name.o" "-w" &
        compiling="$compiling $!"
    done
    for source in "$here"/native/*.c; do
        compile "$source" "$objects/2-$(basename "$source" .c).o" "-std=c11 -Wall -Wextra -Werror -Wno-unused-parameter" &
        compiling="$compiling $!"
    done
    for process in $compiling; do
        wait "$process"
    done
    # The stack comes first in memory: what runs over its end traps instead of writing over data.
    wasm-ld-19 "$objects"/*.o -L/usr/lib/wasm32-wasi -lc \
        "$(clang-19 -print-resource-dir)/lib/wasi/libclang_rt.builtins-wasm32.a" \
        -o "$1" --no-entry --gc-sections --strip-all --stack-first -z stack-size=1048576
}

case "${1:-}" in
"")
    is_recorded_compiler || echo "build.sh: this is not the recorded compiler ($(echo $PACKAGES)): the bytes will differ" >&2
    build "$here/engine.wasm"
    (cd "$here" && sha256sum engine.wasm | tee engine.wasm.sha256)
    ;;
--check)
    (cd "$here" && sha256sum --check --quiet engine.wasm.sha256) || { echo "build.sh: engine.wasm is not what engine.wasm.sha256 says" >&2; exit 1; }
    if ! is_recorded_compiler; then
        echo "build.sh: engine.wasm fits its SHA-256; not rebuilt, since only these packages give the same bytes:" $PACKAGES
        exit 0
    fi
    build "$scratch/engine.wasm"
    cmp "$scratch/engine.wasm" "$here/engine.wasm" || { echo "build.sh: engine.wasm is not what its sources give: run build.sh and commit" >&2; exit 1; }
    echo "build.sh: engine.wasm is what its sources give"
    ;;
--packages)
    echo $PACKAGES
    ;;
*)
    echo "usage: build.sh [--check|--packages]" >&2
    exit 2
    ;;
esac
