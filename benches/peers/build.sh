#!/bin/sh
# Builds every peer that can be built here, all into one directory, and says which were skipped
# and why. A peer that can't be built is no failure.
#
# Needs nothing for the Rust peers but cargo and the crates; libuv, libevent and asio need their
# headers (Debian: libuv1-dev libevent-dev libasio-dev) and pkg-config.
set -u
cd "$(dirname "$0")" || exit 1
out="${CARGO_TARGET_DIR:-$PWD/target}/release"
built="" skipped=""

skip() {
    skipped="$skipped
  $1: $2"
}

# compile NAME COMMAND...: runs the compiler, keeps its first complaint.
compile() {
    name=$1
    shift
    if complaint=$("$@" -o "$out/$name" 2>&1); then
        built="$built $name"
    else
        skip "$name" "$(printf '%s\n' "$complaint" | grep -m1 -i error)"
    fi
}

for name in epoll io-uring mio-example tokio smol message-io monoio; do
    if ! command -v cargo >/dev/null; then
        skip "$name" "no cargo"
    elif cargo build --quiet --release --locked --bin "$name"; then
        built="$built $name"
    else
        skip "$name" "cargo build failed, see above"
    fi
done

mkdir -p "$out"
for name in libuv libevent_core; do
    if ! command -v "${CC:-cc}" >/dev/null; then
        skip "${name%_core}" "no C compiler"
    elif ! pkg-config --exists "$name" 2>/dev/null; then
        skip "${name%_core}" "pkg-config does not know $name"
    else
        # shellcheck disable=SC2046 # The flags are words.
        compile "${name%_core}" "${CC:-cc}" -O2 -flto -Wall -Wextra "c/${name%_core}.c" \
            $(pkg-config --cflags --libs "$name")
    fi
done

if ! command -v "${CXX:-c++}" >/dev/null; then
    skip asio "no C++ compiler"
elif ! printf '#include <asio/version.hpp>\n' | "${CXX:-c++}" -E -x c++ - >/dev/null 2>&1; then
    skip asio "no asio headers"
else
    compile asio "${CXX:-c++}" -std=c++17 -O2 -flto -Wall -Wextra c/asio.cpp
fi

for name in asyncio_echo socketserver_echo; do
    if command -v python3 >/dev/null; then
        built="$built python3:python/$name.py"
    else
        skip "$name" "no python3"
    fi
done

echo "in $out:$built"
if [ -n "$skipped" ]; then
    echo "skipped:$skipped"
fi
