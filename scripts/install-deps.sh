#!/usr/bin/env bash
# Installs what a build needs beside Rust: a C and C++ compiler, make, and libclang (RocksDB's
# bindings are generated with it). Uses apt-get as root or with passwordless sudo; otherwise says
# exactly what to install and exits 1.
set -euo pipefail

say() { printf '%s\n' "$*" >&2; }

if ! command -v cargo >/dev/null 2>&1; then
    say "martlet: cargo is missing. Install Rust from https://rustup.rs, for example:"
    say "    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y"
    say "then open a new shell (or run '. \"\$HOME/.cargo/env\"') and repeat the command."
    exit 1
fi

have() { command -v "$1" >/dev/null 2>&1; }

# The shared library that the bindings generator loads at build time.
have_libclang() {
    [ -n "${LIBCLANG_PATH:-}" ] && return 0
    compgen -G '/usr/lib/llvm-*/lib/libclang*.so*' >/dev/null && return 0
    ldconfig -p 2>/dev/null | grep -q 'libclang[-.]'
}

# The compiler's own headers (stddef.h): the library alone cannot read RocksDB's C header.
have_clang_headers() {
    [ -n "${LIBCLANG_PATH:-}" ] && return 0
    compgen -G '/usr/lib/llvm-*/lib/clang/*/include/stddef.h' >/dev/null && return 0
    compgen -G '/usr/lib/clang/*/include/stddef.h' >/dev/null && return 0
    compgen -G '/usr/lib64/clang/*/include/stddef.h' >/dev/null
}

packages=()
have cc || packages+=(gcc libc6-dev)
have c++ || packages+=(g++)
have make || packages+=(make)
need_libclang=0
if ! have_libclang || ! have_clang_headers; then
    need_libclang=1
fi

if [ ${#packages[@]} -eq 0 ] && [ "$need_libclang" -eq 0 ]; then
    exit 0
fi

if ! have apt-get; then
    say "martlet: missing: ${packages[*]:-} $([ "$need_libclang" -eq 1 ] && echo libclang)"
    say "This system has no apt-get. Install a C and C++ compiler, make, and libclang with its"
    say "headers (Fedora: gcc gcc-c++ make clang-devel; Arch: gcc make clang), then repeat."
    exit 1
fi

run_apt=()
if [ "$(id -u)" -eq 0 ]; then
    run_apt=(env DEBIAN_FRONTEND=noninteractive apt-get)
elif have sudo && sudo -n true 2>/dev/null; then
    run_apt=(sudo -n env DEBIAN_FRONTEND=noninteractive apt-get)
fi

if [ ${#run_apt[@]} -gt 0 ]; then
    say "martlet: updating the package list"
    "${run_apt[@]}" update -qq || say "martlet: the package list is old; trying all the same"
fi
if [ "$need_libclang" -eq 1 ]; then
    # Debian 12 has the two small packages; libclang-dev is the name that every release knows.
    if apt-cache show libclang1-14 libclang-common-14-dev >/dev/null 2>&1; then
        packages+=(libclang1-14 libclang-common-14-dev)
    else
        packages+=(libclang-dev)
    fi
fi

if [ ${#run_apt[@]} -eq 0 ]; then
    say "martlet: some packages are missing, and this user can neither be root nor sudo. Run:"
    say "    sudo apt-get update && sudo apt-get install -y --no-install-recommends ${packages[*]}"
    exit 1
fi

say "martlet: installing ${packages[*]}"
"${run_apt[@]}" install -y -qq --no-install-recommends "${packages[@]}" >&2
