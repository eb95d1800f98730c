# Shared by the scripts beside this file; sourced, never run.
# shellcheck shell=bash disable=SC2034

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target_dir=${CARGO_TARGET_DIR:-$root/target}

say() {
    printf '==> %s\n' "$*"
}

# A layer of the tests cannot run here. CI must run all of them, so there it is a failure; elsewhere
# it is a line that nobody can miss, and that .ci/run and a reader can count.
#   unavailable LAYER REASON COMMAND_THAT_WOULD_HELP
unavailable() {
    if [ "${CI:-}" = true ]; then
        printf 'FAILED %s: %s. Install with: %s\n' "$1" "$2" "$3" >&2
        exit 1
    fi
    printf 'SKIPPED %s: %s. Install with: %s\n' "$1" "$2" "$3"
    exit 0
}

# Whether the pinned toolchain brings its own standard library for wasm32.
wasm_target_installed() {
    local libraries
    libraries=$(rustc --print target-libdir --target wasm32-unknown-unknown 2>/dev/null) || return 1
    compgen -G "$libraries/libstd-*.rlib" >/dev/null
}

# What Debian's standard library for wasm32 is built with and from.
debian_wasm_packages=(cargo-web rustc-web rust-web-src lld-19)

debian_wasm_installed() {
    dpkg -s "${debian_wasm_packages[@]}" >/dev/null 2>&1
}
