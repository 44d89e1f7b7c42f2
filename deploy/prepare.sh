#!/usr/bin/env bash
# Makes a Debian or Ubuntu machine ready to build (`build`) and to test (`test`) Egret: installs what is missing where it
# may (root, or sudo without a password), and otherwise prints the one command to run.
set -euo pipefail

minimum_rust=1.95
wanted=()

need_command() { # command, Debian package
    command -v "$1" >/dev/null 2>&1 || wanted+=("$2")
}

for part in "$@"; do
    case "$part" in
    build)
        need_command cc gcc
        need_command make make
        [ -e /usr/include/stdlib.h ] || wanted+=(libc6-dev)
        ;;
    test)
        ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null 2>&1 || wanted+=(postgresql)
        # Peers to compare with are Python packages.
        python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || wanted+=(python3-venv)
        ;;
    *)
        echo "prepare.sh: unknown part '$part' (build, test)" >&2
        exit 2
        ;;
    esac
done

if [ "${#wanted[@]}" -gt 0 ]; then
    install="apt-get install -y --no-install-recommends ${wanted[*]}"
    if [ "$(id -u)" = 0 ]; then
        as_root=()
    elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        as_root=(sudo)
    else
        echo "Missing packages. Run this and try again:  sudo $install" >&2
        exit 1
    fi
    echo "installing: ${wanted[*]}"
    "${as_root[@]}" apt-get update -qq
    # A server of the distribution's own is not wanted: the tests start theirs in a temporary folder.
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" $install >/dev/null
fi

if ! command -v cargo >/dev/null 2>&1; then
    echo "Rust is missing. Install it from https://rustup.rs (version $minimum_rust or newer) and try again." >&2
    exit 1
fi
have=$(rustc --version | sed -E 's/^rustc ([0-9]+\.[0-9]+).*/\1/')
if [ "$(printf '%s\n%s\n' "$minimum_rust" "$have" | sort -V | head -n 1)" != "$minimum_rust" ]; then
    echo "Rust $have is too old: Egret needs $minimum_rust or newer (rustup update stable)." >&2
    exit 1
fi
