#!/bin/bash
# repair, merge, extract, extend and expire, as a user runs them: what they print, their exit codes, their JSON.
set -euo pipefail
decant=$1 make_store=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
fail() { echo "FAILED: $*" >&2; exit 1; }
expect() {  # CODE TEXT COMMAND...
  local code=$1 text=$2 found=0
  shift 2
  "$@" >out 2>err || found=$?
  [ $found -eq "$code" ] || fail "$*: exit code $found, expected $code: $(cat out err)"
  grep -qF -- "$text" out err || fail "$*: expected '$text' in: $(cat out err)"
  [ "$code" -eq 0 ] || [ "$(wc -l <err)" -eq 1 ] || fail "$*: expected one line: $(cat err)"
  echo "ok: exit $code: $(tail -n 1 out err 2>/dev/null | grep -vE '^(==>|$)' | tail -n 1)"
}
field() { /usr/bin/python3 -c "import json, sys; print(json.load(open('$1'))['$2'])"; }

"$make_store" write whole 3 700 >log
digest=$(sed -n 's/^sealed //p' log)
"$make_store" write a 3 700 0 2 >/dev/null
"$make_store" write b 3 700 1 2 >/dev/null
"$make_store" write other 2 700 >/dev/null

expect 0 "digest $digest" "$decant" merge merged a b
expect 4 "layout.num_epochs: 3 and 2" "$decant" merge x a other
expect 3 "there is no label store at nothing" "$decant" merge x a nothing
expect 2 "source and result at once" "$decant" merge a a
[ ! -e x ] || fail "a merge that was refused left a store"

expect 0 "complete, 12 of 12 spans, 12 of them linked" "$decant" extract two whole --epochs 0:2
[ "$("$decant" verify two | grep digest)" = "$("$decant" verify other | grep digest)" ] || fail "extract differs from produce"
expect 0 "digest $digest" "$decant" extract last whole --epochs 2:3
expect 3 "epoch 1 has expired" "$decant" extract x last --epochs 1:3
expect 3 "is not labelled yet" "$decant" extract x a --epochs 0:1
for epochs in 2:1 1:1 x 1 1: :1 1:2: -1:2 0:99999999999; do
  expect 2 "but must be A:B" "$decant" extract x whole --epochs=$epochs
done

expect 0 "6 spans to go" "$decant" extend two --epochs 3
"$make_store" write two 3 700 | grep -q "^sealed $digest" || fail "an extended store has another digest"
expect 2 "has 3 epochs already" "$decant" extend two --epochs 2

expect 0 "epochs 0 to 1 have expired" "$decant" expire two --epochs 0:2
expect 0 "digest $digest" "$decant" verify two
grep -q '^12 of the spans have expired' out || fail "verify does not say what has expired"
grep -q '^verdict: sound$' out || fail "the seal is gone"
expect 3 "is not labelled yet" "$decant" expire a --epochs 0:1
expect 2 "the store has the epochs 0:3" "$decant" expire two --epochs 2:4

expect 0 "sound, nothing to repair" "$decant" repair whole
files=(merged/db/*.sst)
rm "${files[5]}"
expect 0 '"repaired": true' "$decant" repair merged --json
[ "$(field out dropped)" != "[]" ] && [ "$(field out spans_committed)" = 17 ] || fail "repair: $(cat out)"
"$make_store" write merged 3 700 | grep -q "^sealed $digest" || fail "a repaired store has another digest"
"$make_store" read merged >/dev/null
rm -f whole/db/MANIFEST-*
code=0; "$decant" verify whole >out || code=$?; [ $code -eq 5 ] || fail "verify without MANIFEST: $code"
expect 0 "digest $digest" "$decant" repair whole
for file in whole/db*/*.sst; do grep -q '"layout"' "$file" && rm "$file"; done
expect 5 "the schema is lost" "$decant" repair whole
expect 3 "there is no label store at nothing" "$decant" repair nothing
