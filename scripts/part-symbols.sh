#!/usr/bin/env bash
# BINARY: takes its symbols out into BINARY.debug beside it, where backtraces find them by the link that is left
# (.gnu_debuglink). Four fifths of a release binary are symbols, which only somebody who looks for a fault needs.
# Where there is no objcopy (macOS keeps symbols apart by itself) nothing changes.
set -euo pipefail
binary=$1
if ! command -v objcopy >/dev/null; then exit; fi
objcopy --only-keep-debug --compress-debug-sections "$binary" "$binary.debug.new"
# Under its last name before it is linked to: the link holds that and a checksum.
mv "$binary.debug.new" "$binary.debug"
# Cargo's own copy is the same file and stays whole.
objcopy --strip-all --add-gnu-debuglink="$binary.debug" "$binary" "$binary.new"
mv "$binary.new" "$binary"
