#!/bin/bash
# A student needs the store alone: the teacher's file is gone. A training that is stopped goes on to the same weights.
. "$(dirname "$0")/lib.sh"
make_teacher
"$decant" produce labels.toml >/dev/null 2>&1
rm teacher.safetensors
chmod -R a-w labels.decant
"$decant" train student.toml --json > whole.json
grep -q '"steps": 57' whole.json || fail "expected 57 steps: $(cat whole.json)"
[ "$(wc -l < student.jsonl)" -eq 3 ] || fail "expected 3 lines of metrics"
# Killed somewhere in the middle, then run again; three times.
for delay in 0.8 1.2 1.6; do
  rm -f parts.safetensors*
  args=(train student.toml --train.epochs=20 --train.checkpoint=parts.safetensors --train.metrics=)
  "$decant" "${args[@]}" >/dev/null 2>&1 & pid=$!
  sleep $delay; kill -KILL $pid 2>/dev/null || true; wait $pid 2>/dev/null || true
  "$decant" "${args[@]}" --json >/dev/null 2>&1
  mv parts.safetensors parts$delay.safetensors
done
"$decant" "${args[@]}" >/dev/null 2>&1
for delay in 0.8 1.2 1.6; do
  cmp parts.safetensors parts$delay.safetensors || fail "killed after $delay s: other weights"
done
echo "ok: the same weights after SIGKILL and resuming"
"$decant" train student.toml --train.epochs=2000 --train.checkpoint=stopped.safetensors --train.metrics= >/dev/null 2>stderr & pid=$!
sleep 1.5; kill -TERM $pid; code=0; wait $pid || code=$?
[ $code -eq 75 ] || fail "TERM: exit code $code: $(cat stderr)"
echo "ok: $(cat stderr)"
