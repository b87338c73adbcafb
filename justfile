# What this project can do. `./dev` gets the tools that a recipe needs and hands over to here.

export PATH := justfile_directory() / ".tools" / "bin" + ":" + env_var("PATH") + ":/usr/sbin"

target := env_var_or_default("CARGO_TARGET_DIR", "target")

# list the recipes
[private]
default:
    @just --list --unsorted

# build the release binary at ${CARGO_TARGET_DIR:-target}/release/misar
build: web
    @echo "==> building the release binary"
    @cargo build --release --locked -p collector
    @scripts/part-symbols.sh {{ target }}/release/misar
    @echo "==> built {{ target }}/release/misar"

# build what browsers load into dist/: track.js and the pages' program
web:
    @scripts/build-web.sh

# how large the snippet is, beside other trackers; fails above 6,656 bytes with brotli
size: web
    @echo "==> what pages load"
    @node scripts/size.mjs

# build misar, start it, print calls to paste (settings: MISAR_LISTEN, MISAR_DATA and the other MISAR_…)
run: build
    @exec scripts/run.sh

# everything that CI checks; the tests come last (--all: also what it names at the end as left out)
#
# More threads than cores: many tests wait for disks and other processes. Browsers take turns by themselves.
test *WHICH: fmt-check shared web deny lint doc snippet-test
    @echo "==> the examples in the documentation"
    @cargo test --workspace --locked --doc
    @echo "==> unit, property, API and browser tests, and the crash loop: 50 cycles"
    @RUST_TEST_THREADS="${RUST_TEST_THREADS:-$(({{ num_cpus() }} * 2 + 1))}" TORTURE_CYCLES=50 cargo test --workspace --locked --tests
    @scripts/test-rest.sh {{ WHICH }}

# the snippet's engine behind wasm-bindgen, in a real Chromium
[private]
snippet-test:
    @echo "==> the snippet in Chromium"
    @scripts/test-snippet.sh

# linters on the API's documents, and clients generated from them, against a real server: lint typescript python rust exports
test-clients *PARTS: web
    @echo "==> the documents, and clients made of them"
    @scripts/test-clients.sh {{ PARTS }}

# kill a collector under load N times and count what it had acknowledged
torture N="50":
    @echo "==> the crash loop: {{ N }} cycles"
    @TORTURE_CYCLES={{ quote(N) }} cargo test -p collector --locked --test crash -- --nocapture crash_loop::
    @echo "==> views that are killed: forty times as many"
    @VIEWS_KILLS=$(expr {{ quote(N) }} '*' 40) cargo test --workspace --locked --lib -- --nocapture views::tests::kills

# back up a collector under load, kill it and restore elsewhere, N times; count what it had acknowledged before
torture-backup N="20":
    @echo "==> backups under load: {{ N }} rounds"
    @BACKUP_ROUNDS={{ quote(N) }} cargo test -p collector --locked --test crash -- --nocapture backup_loop::

# docs/live.png, which the README shows: visitors in the demo shop, as the live page shows them
screenshots:
    @echo "==> visitors in the demo shop"
    @cargo build --locked -p collector
    @cargo run --locked -p tests --bin screenshots

# durable ingest as a ratio to nginx and to our own early answer
bench:
    @echo "==> ingest against nginx"
    @cargo bench -p collector --locked --bench ingest

# a flood of pixel hits with bad tokens: memory, the log, and the time of answers beside good ones
bench-pixel:
    @echo "==> pixels with good and with bad tokens"
    @cargo bench -p collector --locked --bench pixel

# floods beside honest load: its p99, what it is refused, and the metric that shows each flood
bench-floods:
    @echo "==> honest callers beside floods"
    @cargo bench -p collector --locked --bench floods

# what views cost, beside their bars: --contacts N --events N --cache MB --seconds N --only LEG --data FOLDER
bench-views *OPTIONS: web
    @echo "==> the views"
    @cargo bench -p store --locked --bench views -- {{ OPTIONS }}
    @echo "==> the views of a server under load"
    @cargo bench -p collector --locked --bench following -- {{ OPTIONS }}

# what segments cost, beside their bars and other engines: --contacts N --events N --only LEG --data FOLDER
bench-segments *OPTIONS:
    @echo "==> segments"
    @cargo bench -p store --locked --bench segments -- {{ OPTIONS }}

# what it costs to find an event by its id in a thousand segments, and how large the index is
bench-find:
    @echo "==> the index of ids"
    @cargo bench -p store --locked --bench find

# how long one verdict and one look-up of a relay take
bench-classify:
    @echo "==> the classifier"
    @cargo bench -p store --locked --bench classify

# how well people are told from machines, on labelled cases and lists of agents; fails below the bars
classify-report:
    @echo "==> people and machines"
    @cargo run --quiet -p store --locked --example classify_report

# format the code
fmt:
    @cargo fmt --all

# the documentation of our crates, warnings as errors
doc:
    @echo "==> the documentation builds without a warning"
    @RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

# clippy on every target, warnings as errors
lint:
    @echo "==> the rooms of each crate lean one way (ARCHITECTURE.md)"
    @node --test --test-reporter=dot scripts/rooms.test.mjs
    @node scripts/rooms.mjs
    @echo "==> clippy finds nothing"
    @cargo clippy --workspace --all-targets --all-features --locked -- -D warnings
    @echo "==> nor in what browsers run"
    @cargo clippy -p snippet --lib --target wasm32-unknown-unknown --locked -- -D warnings
    @cargo clippy -p www --lib --target wasm32-unknown-unknown --locked -- -D warnings

# the crate `shared` builds for wasm and knows no runtime
shared:
    @echo "==> shared builds for wasm32 without features"
    @cargo clippy -p shared --no-default-features --target wasm32-unknown-unknown --locked -- -D warnings
    @cargo build -p shared --no-default-features --target wasm32-unknown-unknown --locked
    @echo "==> shared depends on no runtime"
    @scripts/shared-is-pure.sh

# licences, banned crates, sources: deny.toml
deny:
    @echo "==> licences, bans and sources of every dependency"
    @cargo fetch --locked
    @cargo deny --offline check --hide-inclusion-graph licenses bans sources

[private]
fmt-check:
    @echo "==> the code is formatted"
    @cargo fmt --all --check
