#!/bin/bash
# What `decant status` says of stores and runs, and its exit codes.
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
  echo "ok: exit $code: $text"
}
field() { /usr/bin/python3 -c "import json, sys; print(json.load(sys.stdin)$1)" <out; }

"$make_store" write whole 3 700 >/dev/null
"$make_store" write half 3 700 0 2 >/dev/null
expect 0 "whole: complete, 18 of 18 spans (100.0 %)" "$decant" status whole --exit-code
expect 75 "half: incomplete, 9 of 18 spans (50.0 %)" "$decant" status half --exit-code
expect 0 "whole/status.json does not say" "$decant" status whole
expect 0 "half: incomplete" "$decant" status half
expect 3 "there is no label store at nothing" "$decant" status nothing --exit-code

# A store of a part is complete when it has the spans of its part; only the run that writes it knows them.
status() { printf '{"state": "%s", "spans": %s, "partition": {"index": 0, "count": 2}, "beat": %s, "unix_seconds": %s, "interval_seconds": 2, "pid": 1, "num_ranks": 1 %s}' "$@"; }
status complete 9 3 1 ', "exit_code": 0' >half/status.json
expect 0 "half: part 0 of 2, complete, 9 of 9 spans" "$decant" status half --exit-code
status stopped 10 3 1 ', "exit_code": 75' >half/status.json
expect 75 "half: part 0 of 2, incomplete, 9 of 10 spans" "$decant" status half --exit-code

# News: fresh, none, and fresh from a host whose clock is an hour behind.
status running 10 3 "$(date +%s)" "" >half/status.json
expect 0 "s old" "$decant" status half
status running 10 3 "$(($(date +%s) - 65))" "" >half/status.json
expect 0 "news       none for 6" "$decant" status half
expect 0 '"running": false' "$decant" status half --json
(for beat in 4 5 6 7 8 9; do sleep 0.5; status running 10 $beat "$(($(date +%s) - 3600))" "" >half/new; mv half/new half/status.json; done) &
expect 0 '"running": true' "$decant" status half --json
wait
[ "$(field "['news_seconds']")" = 0.0 ] || fail "news: $(cat out)"

# Whatever stands in status.json, the store counts.
for text in '' '{' '[]' '{"partition": 3, "spans": "x"}' '{"partition": {"count": 2}, "spans": 1000000}' '{"ranks": 7, "exit_code": 0}'; do
  echo "$text" >half/status.json
  expect 75 "half: " "$decant" status half --exit-code
done

# A complete store that has lost a file.
chmod -R u+w whole
rm "$(find whole -name '*.sst' | sort | tail -n 1)"
expect 5 "whole" "$decant" status whole --exit-code
