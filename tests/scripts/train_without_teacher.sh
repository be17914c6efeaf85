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
# Killed after its first checkpoint, somewhere, then run again; three times.
args=(train student.toml --train.epochs=20 --train.metrics=)
"$decant" "${args[@]}" --train.checkpoint=whole20.safetensors >/dev/null 2>&1
for attempt in 1 2 3; do
  rm -f parts.safetensors*
  "$decant" "${args[@]}" --train.checkpoint=parts.safetensors >/dev/null 2>&1 & pid=$!
  for _ in $(seq 1000); do [ -e parts.safetensors.resume ] && break; sleep 0.01; done
  sleep 0.$((RANDOM % 7))
  kill -KILL $pid; wait $pid 2>/dev/null || true
  "$decant" "${args[@]}" --train.checkpoint=parts.safetensors --json >parts.json 2>/dev/null
  resumed=$(sed -n 's/.*"epochs_resumed": \([0-9]*\),.*/\1/p' parts.json)
  [ "$resumed" -ge 1 ] || fail "expected to continue after an epoch: $(cat parts.json)"
  cmp whole20.safetensors parts.safetensors || fail "killed in epoch $((resumed + 1)): other weights"
  echo "ok: killed in epoch $((resumed + 1))"
done
echo "ok: the same weights after SIGKILL and resuming"
"$decant" train student.toml --train.epochs=2000 --train.checkpoint=stopped.safetensors --train.metrics= >/dev/null 2>stderr & pid=$!
for _ in $(seq 3000); do [ -e stopped.safetensors.resume ] && break; sleep 0.01; done
kill -TERM $pid; code=0; wait $pid || code=$?
[ $code -eq 75 ] || fail "TERM: exit code $code: $(cat stderr)"
echo "ok: $(cat stderr)"
