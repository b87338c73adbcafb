#!/bin/sh
# Fails when `shared`, with any feature and for any target, depends on a runtime, a store or a source of
# randomness: it must build into the snippet, and everything in it must be a function of its input.
set -eu
banned='tokio|axum|hyper|redb|mio|getrandom|uuid|rand'

# One listing for all of them: `cargo tree -i NAME` also fails, with nothing printed, where two versions of
# NAME are in the graph, and that failure would look like absence.
tree() {
  cargo tree -p shared -e normal --all-features --target all --locked "$@"
}
listing=$(tree --prefix none)
found=$(printf '%s\n' "$listing" | grep -E "^($banned) v" | cut -d ' ' -f 1,2 | sed 's/ v/@/' | sort -u) || :
[ -n "$found" ] || exit 0
for crate in $found; do
  echo "shared depends on $crate:" >&2
  tree -i "$crate" >&2
done
exit 1
