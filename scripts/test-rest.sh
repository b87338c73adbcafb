#!/usr/bin/env bash
# The checks that `./dev test` leaves out because they take minutes: names them, or runs them with --all.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# A recipe of the justfile, and what it is for.
rest=(
  "torture-backup 20 rounds of backups under load (./dev test makes a few)"
  "test-clients linters on the API's documents, clients generated from them, and exports read into DuckDB and pandas"
)

case ${1:-} in
  --all)
    for line in "${rest[@]}"; do
      read -r recipe what <<<"$line"
      echo "==> $recipe: $what"
      just "$recipe"
    done
    ;;
  "")
    echo "==> left to ./dev test --all:"
    for line in "${rest[@]}"; do
      read -r recipe what <<<"$line"
      echo "    $recipe: $what"
    done
    ;;
  *)
    echo "test: $1 is nothing that ./dev test knows: it takes --all, or nothing" >&2
    exit 2
    ;;
esac
