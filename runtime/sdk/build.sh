#!/usr/bin/env bash
# Builds the example guests, and those of the tests, with the toolchains that are there, into `sdk` of the target folder.
#
#   build.sh [--fetch] [GUEST...]
#
# One line for each guest goes to standard output: `built NAME FILE`, or `skipped NAME: what is missing, and how to
# get it`. With --fetch, Zig and AssemblyScript are installed into `peers` of the target folder where they are missing;
# Rust's target is a part of the user's own toolchain, and named only. Ends with 1 when a build failed, with 0 otherwise.
set -euo pipefail

sdk=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${CARGO_TARGET_DIR:-$(cd "$sdk/../.." && pwd)/target}
mkdir -p "$target/sdk"
target=$(cd "$target" && pwd)
# One build at a time, and a guest that is there stays whole while it is made again.
exec 9>"$target/sdk/lock"
flock 9
new=$target/sdk/new.wasm
peers=$target/peers
# Versions that the examples were built and run with.
zig_version=0.17.1
assemblyscript_version=0.28.20

c_guests=(geogrid distinct ratings echo_c)
assemblyscript_guests=(normalise echo_as)
rust_guests=(scorecard regression echo_rust)

zig=$peers/ziglang/ziglang/zig
asc=$peers/assemblyscript/node_modules/.bin/asc
fetch=
wanted=()
for argument in "$@"; do
    case "$argument" in
    --fetch) fetch=1 ;;
    -*) echo "build.sh: unknown option '$argument'" >&2; exit 2 ;;
    *) wanted+=("$argument") ;;
    esac
done

is_wanted() { # guest
    [ "${#wanted[@]}" -eq 0 ] || [[ " ${wanted[*]} " == *" $1 "* ]]
}

find_zig() {
    if [ ! -x "$zig" ] && [ -n "$fetch" ]; then
        # A failure is the same as no network: the caller says what is missing.
        PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check \
            --target "$peers/ziglang" "ziglang==$zig_version" >&2 || true
    fi
    [ -x "$zig" ] || zig=$(command -v zig)
}

find_asc() {
    if [ ! -x "$asc" ] && [ -n "$fetch" ]; then
        mkdir -p "$peers/assemblyscript"
        npm install --silent --no-audit --no-fund --no-save --prefix "$peers/assemblyscript" \
            "assemblyscript@$assemblyscript_version" >&2 || true
    fi
    [ -x "$asc" ] || asc=$(command -v asc)
}

find_rust_target() {
    [ -d "$(rustc --print target-libdir --target wasm32-unknown-unknown 2>/dev/null)" ]
}

build_c() { # guest
    "$zig" cc -target wasm32-freestanding -std=c11 -O2 -s -Wall -Wextra -Werror -Wl,--no-entry \
        -I "$sdk/c" -I "$(dirname "$sdk"/*/"$1/$1.c")" -o "$new" "$sdk"/*/"$1/$1.c"
}

build_assemblyscript() { # guest
    # The compiler's own `abort` would be an import that guests do not get.
    (cd "$sdk" && "$asc" */"$1/$1.ts" -O3 --use abort=assemblyscript/assembly/log/abort \
        --outFile "$new") >&2
}

build_rust() { # guest
    # Flags for this machine's linker mean nothing to that of the guest.
    env -u RUSTFLAGS -u CARGO_ENCODED_RUSTFLAGS CARGO_TARGET_DIR="$target/sdk/cargo" \
        cargo build --quiet --locked --release --target wasm32-unknown-unknown \
        --manifest-path "$sdk/Cargo.toml" --package "$1" >&2 &&
        cp "$target/sdk/cargo/wasm32-unknown-unknown/release/$1.wasm" "$new"
}

failed=0
build_all() { # finder of the toolchain, builder, what to say when it is missing, guests
    local find=$1 build=$2 missing=$3 found= guest
    shift 3
    for guest in "$@"; do
        is_wanted "$guest" || continue
        if [ -z "$found" ]; then "$find" && found=yes || found=no; fi
        if [ "$found" = no ]; then
            rm -f "$target/sdk/$guest.wasm"
            echo "skipped $guest: $missing"
        elif "$build" "$guest"; then
            mv -f "$new" "$target/sdk/$guest.wasm"
            echo "built $guest $target/sdk/$guest.wasm"
        else
            rm -f "$new" "$target/sdk/$guest.wasm"
            echo "failed $guest" >&2
            failed=1
        fi
    done
}

build_all find_zig build_c \
    "Zig is missing (pip install ziglang==$zig_version, or build.sh --fetch)" "${c_guests[@]}"
build_all find_asc build_assemblyscript \
    "AssemblyScript is missing (npm install assemblyscript@$assemblyscript_version, or build.sh --fetch)" \
    "${assemblyscript_guests[@]}"
build_all find_rust_target build_rust \
    "Rust's target is missing (rustup target add wasm32-unknown-unknown)" "${rust_guests[@]}"
exit "$failed"
