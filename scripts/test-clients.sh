#!/usr/bin/env bash
# Judges the API's documents as their readers do: two linters without a finding, and clients that three generators
# make of them, compiled and used against a real misar on a port of its own.
#
# scripts/test-clients.sh [PART…]: lint, typescript, python, rust, exports; all of them without a word.
#
# Node, npm, Python with venv, and cargo must be there. What else it needs it puts into target/clients, says so, and
# finds it there the next time.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target/clients"
work=$(cd "$target/clients" && pwd)
sources=$PWD/tests/clients
python_generator=openapi-python-client==0.29.1
python_readers=(duckdb==2.0.1 pandas==3.1.1)

main() {
  local parts=("$@") part
  [ $# -gt 0 ] || parts=(lint typescript python rust exports)
  for part in "${parts[@]}"; do
    case $part in
      lint | typescript | python | rust | exports) ;;
      *) die "there is no part $part: they are lint, typescript, python, rust and exports." ;;
    esac
  done
  start_server
  for part in "${parts[@]}"; do "test_$part"; done
}

# --- The parts ---

test_lint() {
  packages linters
  local lint=$work/linters
  cp "$sources"/linters/{redocly.yaml,.spectral.yaml} "$lint"
  # Warnings count. Both see each document: 3.0 is derived from 3.1, and may break rules of its own.
  for document in openapi.json openapi-3.0.json; do
    (cd "$lint" && REDOCLY_TELEMETRY=off node_modules/.bin/redocly lint --config redocly.yaml --format=json "$work/$document") \
      >"$work/redocly.log" 2>&1 || found redocly "$document"
    # Its exit code tells of errors alone.
    grep -q '"warnings": 0' "$work/redocly.log" || found redocly "$document"
    (cd "$lint" && node_modules/.bin/spectral lint --ruleset .spectral.yaml --fail-severity=hint "$work/$document") \
      >"$work/spectral.log" 2>&1 || found spectral "$document"
    say "redocly and spectral find nothing in $document"
  done
}

test_typescript() {
  packages typescript
  local client=$work/typescript
  cp "$sources"/typescript/{client.ts,tsconfig.json} "$client"
  (cd "$client" && node_modules/.bin/openapi-typescript "$work/openapi.json" --output schema.d.ts >"$work/openapi-typescript.log" 2>&1) ||
    { cat "$work/openapi-typescript.log" >&2; die "openapi-typescript makes no client of /openapi.json: its words are above."; }
  (cd "$client" && node_modules/.bin/tsc && MISAR_RUN=typescript node out/client.js)
}

test_python() {
  local client=$work/python
  python_packages "$python_generator"
  rm -rf "$client"
  mkdir -p "$client"
  cat >"$client/config.yaml" <<'END'
project_name_override: misar-client
package_name_override: misar_client
post_hooks: []
content_type_overrides:
  application/javascript: application/octet-stream
  application/openmetrics-text: application/octet-stream
  application/x-ndjson: application/octet-stream
  image/gif: application/octet-stream
  text/csv: application/octet-stream
  text/event-stream: application/octet-stream
END
  # A warning is an operation or a schema that the client lacks.
  (cd "$client" && PATH=$venv/bin:$PATH openapi-python-client generate --path "$work/openapi.json" --config config.yaml \
    --meta none --output-path misar_client --fail-on-warning) >"$work/openapi-python-client.log" 2>&1 ||
    { cat "$work/openapi-python-client.log" >&2; die "openapi-python-client makes no whole client of /openapi.json: its words are above."; }
  "$venv/bin/python" -m compileall -q "$client/misar_client"
  (cd "$client" && MISAR_RUN=python PYTHONPATH=$client "$venv/bin/python" "$sources/python/client.py")
}

test_rust() {
  say "building progenitor and the client that it makes of /openapi-3.0.json in target/clients/rust"
  (cd "$sources/rust" && MISAR_OPENAPI=$work/openapi-3.0.json CARGO_TARGET_DIR=$work/rust MISAR_RUN=rust \
    cargo run --quiet --locked)
}

test_exports() {
  if ! grep -q '"/v1/export/orders"' "$work/openapi.json"; then
    say "this misar has no exports yet: nothing to read into DuckDB and pandas"
    return
  fi
  python_packages "${python_readers[@]}"
  rm -rf "$work/exports"
  mkdir -p "$work/exports"
  MISAR_RUN=exports "$venv/bin/python" "$sources/python/exports.py" "$work/exports"
}

# --- The server ---

# Exports MISAR_URL and MISAR_KEY, and leaves the documents in $work.
start_server() {
  say "building misar"
  cargo build --quiet --locked -p collector
  local misar=$target/debug/misar waited=0
  store=$(mktemp -d)
  trap end EXIT
  MISAR_KEY=$("$misar" keys create --scope admin --quiet --data "$store")
  : >"$work/serve.log"
  "$misar" serve --data "$store" --listen 127.0.0.1:0 --log-format json >"$work/serve.log" 2>&1 &
  server=$!
  until MISAR_URL=$(grep -oE 'listening on http://127\.0\.0\.1:[0-9]+' "$work/serve.log"); do
    kill -0 "$server" 2>/dev/null && [ $waited -lt 600 ] || { cat "$work/serve.log" >&2; die "misar does not start: its log is above."; }
    waited=$((waited + 1))
    sleep 0.1
  done
  MISAR_URL=${MISAR_URL#listening on }
  export MISAR_URL MISAR_KEY
  for document in openapi.json openapi-3.0.json; do
    node -e 'fetch(process.argv[1]).then((answer) => answer.text()).then((text) => require("fs").writeFileSync(process.argv[2], text))' \
      "$MISAR_URL/$document" "$work/$document"
  done
}

end() {
  if [ -n "${server:-}" ]; then
    kill -TERM "$server" 2>/dev/null || :
    wait "$server" || :
  fi
  rm -rf "$store"
}

# --- Tools ---

# FOLDER: npm's packages for it, as its lock file names them.
packages() {
  local folder=$work/$1
  has npm || die "npm is missing: install nodejs and npm, or leave the part out."
  if cmp -s "$sources/$1/package-lock.json" "$folder/node_modules/.installed"; then return; fi
  say "installing what tests/clients/$1/package.json names into target/clients/$1"
  mkdir -p "$folder"
  cp "$sources/$1"/{package.json,package-lock.json} .npmrc "$folder"
  (cd "$folder" && npm ci --no-progress) >"$work/npm.log" 2>&1 ||
    { tail -n 20 "$work/npm.log" >&2; die "npm could not install what tests/clients/$1/package.json names: its last words are above."; }
  cp "$sources/$1/package-lock.json" "$folder/node_modules/.installed"
}

# PACKAGE==VERSION…: in $venv.
python_packages() {
  venv=$work/venv
  local package missing=()
  for package in "$@"; do
    [ -e "$venv/.installed-$package" ] || missing+=("$package")
  done
  if [ ${#missing[@]} = 0 ]; then return; fi
  has python3 || die "Python is missing: install python3 and python3-venv, or leave the part out."
  say "installing ${missing[*]} into target/clients/venv"
  { { [ -x "$venv/bin/pip" ] || python3 -m venv --clear "$venv"; } &&
    "$venv/bin/pip" install --quiet --disable-pip-version-check "${missing[@]}"; } >"$work/pip.log" 2>&1 ||
    { tail -n 20 "$work/pip.log" >&2; die "pip could not install ${missing[*]}: its last words are above (on Debian, python3-venv may be missing)."; }
  for package in "${missing[@]}"; do : >"$venv/.installed-$package"; done
}

# LINTER DOCUMENT
found() {
  cat "$work/$1.log" >&2
  die "$1 finds something in $2: see above. What every route must say stands in collector/src/document/rules.rs."
}

has() {
  command -v "$1" >/dev/null 2>&1
}

say() {
  printf 'test-clients: %s\n' "$*" >&2
}

die() {
  say "$*"
  exit 1
}

main "$@"
