#!/usr/bin/env bash
# Runs the snippet's wasm-bindgen tests in headless Chromium.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
CHROMEDRIVER=$(command -v chromedriver) \
CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER=wasm-bindgen-test-runner \
WASM_BINDGEN_TEST_ONLY_WEB=1 \
  cargo test --locked -p snippet --lib --target wasm32-unknown-unknown
