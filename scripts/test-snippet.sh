#!/usr/bin/env bash
# Runs the snippet's wasm-bindgen tests in headless Chromium.
# The runner starts chromedriver anew where it loses its port; the times are for a machine whose only core does
# other work too.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
CHROMEDRIVER=$(command -v chromedriver) \
CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER=wasm-bindgen-test-runner \
WASM_BINDGEN_TEST_ONLY_WEB=1 \
WASM_BINDGEN_TEST_DRIVER_TIMEOUT=60 \
WASM_BINDGEN_TEST_TIMEOUT=120 \
  cargo test --locked -p snippet --lib --target wasm32-unknown-unknown
