#!/bin/bash
# A run that is killed with SIGKILL three times, ranks and launcher alike, and resumed each time, gives the undisturbed
# store's digest, and no committed span is labelled twice.
. "$(dirname "$0")/lib.sh"
make_teacher
job=(produce labels.toml --labels.epochs=60)
mpi 2 "${job[@]}" --labels.store=whole.decant >/dev/null 2>&1
expected=$(digest_of whole.decant)
spans() { "$decant" inspect killed.decant --json 2>/dev/null | sed -n 's/.*"spans_committed": \([0-9]*\).*/\1/p' || true; }

before=0
for victim in rank launcher rank; do
  setsid mpirun --bind-to none --oversubscribe -n 2 "$decant" "${job[@]}" --labels.store=killed.decant >/dev/null 2>&1 &
  launcher=$!
  for _ in $(seq 400); do  # until it has committed more than the run before
    committed=$(spans); [ "${committed:-0}" -gt "$before" ] && break
    sleep 0.02
  done
  sleep 0.0$((RANDOM % 10))
  if [ $victim = rank ]; then
    kill -9 "$(pgrep -P $launcher -x decant | shuf -n 1)"
  else
    kill -9 $launcher
  fi
  wait $launcher 2>/dev/null || true
  for _ in $(seq 100); do pgrep -g $launcher -x decant >/dev/null || break; sleep 0.1; done
  committed=$(spans)
  [ "${committed:-0}" -gt "$before" ] || fail "killed a $victim: $committed spans, expected more than $before"
  "$decant" verify killed.decant | grep -q 'verdict: sound' || fail "not sound after a killed $victim"
  before=$committed
  echo "ok: killed a $victim at $before spans"
done
mpi 2 "${job[@]}" --labels.store=killed.decant --json >result 2>/dev/null
redone=$(( $(sed -n 's/.*"labels_this_run": \([0-9]*\).*/\1/p' result) ))
total=$(sed -n 's/.*"labels": \([0-9]*\).*/\1/p' result)
[ "$redone" -lt "$total" ] || fail "the last run labelled everything again"
found=$(digest_of killed.decant)
[ "$found" = "$expected" ] || fail "digest $found, expected $expected"
echo "ok: the last run labelled $redone of $total; digest $found"
