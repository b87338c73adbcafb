#!/usr/bin/env bash
# Builds what browsers load into dist/: the snippet (track.js, stub.js) and our pages' program (www).
# `just web` calls it; the collector embeds what it leaves.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=${CARGO_TARGET_DIR:-target}
out=$target/web
made=$out/dist
mkdir -p "$made" dist

# The lock file is the tools' list; npm writes this copy of it when it has installed them.
if ! cmp -s package-lock.json "node_modules/.installed-lock"; then
  echo "==> getting esbuild and binaryen (package-lock.json)"
  npm ci --no-progress --loglevel=error
  cp package-lock.json node_modules/.installed-lock
fi

# CRATE BINDGEN-TARGET [OPTION]: leaves $out/CRATE/CRATE.js and CRATE_bg.wasm.
bind() {
  cargo build --quiet --locked -p "$1" --lib --target wasm32-unknown-unknown --profile wasm
  wasm-bindgen --target "$2" --no-typescript "${@:3}" --out-dir "$out/$1" --out-name "$1" \
    "$target/wasm32-unknown-unknown/wasm/$1.wasm"
}

# Stable Rust emits these features of wasm, and every browser with Safari 15 or later has them.
shrink() {
  node_modules/.bin/wasm-opt -Oz --enable-bulk-memory --enable-bulk-memory-opt --enable-sign-ext \
    --enable-mutable-globals --enable-nontrapping-float-to-int --enable-multivalue --enable-reference-types \
    --strip-debug --strip-producers --strip-target-features "$1" -o "$2"
}

echo "==> building the snippet"
bind snippet bundler --keep-debug
node scripts/shrink-wasm.mjs "$out/snippet/snippet_bg.wasm" "$out/snippet/small.wasm" "$out/snippet/imports.js"
node scripts/bundle-snippet.mjs "$out/snippet" "$made"

echo "==> building the pages"
bind www web
shrink "$out/www/www_bg.wasm" "$made/www_bg.wasm"
node_modules/.bin/esbuild "$out/www/www.js" --minify --format=esm --log-level=warning --outfile="$made/www.js" --allow-overwrite

# What is as it was stays untouched, or the collector would be built anew each time.
for file in "$made"/*; do
  cmp -s "$file" "dist/${file##*/}" || cp "$file" dist/
done
