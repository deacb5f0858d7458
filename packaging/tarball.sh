#!/usr/bin/env bash
# Packs a built binary with what belongs to it: manual pages, completions, configurations, licences.
#
#   packaging/tarball.sh BINARY TARGET FOLDER
#
# Makes FOLDER/echoloop-VERSION-TARGET.tar.gz and its checksum beside it. The completions are printed by a binary
# for this machine, which is built if BINARY can't be run here.
set -euo pipefail

if [ $# -ne 3 ]; then
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d' >&2
    exit 2
fi
binary=$1 target=$2 folder=$3

root=$(cd "$(dirname "$0")/.." && pwd)
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml" | head -n 1)
name=echoloop-$version-$target
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/$name

mkdir -p "$tree/man" "$tree/completions" "$folder"
install -m 755 "$binary" "$tree/echoloop"
cp "$root"/README.md "$root"/CHANGELOG.md "$root"/LICENSE-* "$tree"
cp "$root"/packaging/man/*.1 "$tree/man"
for more in haproxy kubernetes systemd; do
    if [ -d "$root/packaging/$more" ]; then cp -R "$root/packaging/$more" "$tree"; fi
done

completions() {
    "$tree/echoloop" completions "$1" 2>/dev/null ||
        cargo run --quiet --locked --manifest-path "$root/Cargo.toml" -- completions "$1"
}
completions bash > "$tree/completions/echoloop"
completions zsh > "$tree/completions/_echoloop"
completions fish > "$tree/completions/echoloop.fish"

tar -C "$work" -czf "$folder/$name.tar.gz" "$name"
if command -v sha256sum >/dev/null; then sum=(sha256sum); else sum=(shasum -a 256); fi
(cd "$folder" && "${sum[@]}" "$name.tar.gz" > "$name.tar.gz.sha256")
echo "$folder/$name.tar.gz"
