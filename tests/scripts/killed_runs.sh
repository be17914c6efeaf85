#!/bin/bash
# A run that is killed with SIGKILL three times, ranks and launcher alike, and resumed each time, gives the undisturbed
# store's digest, and no committed span is labelled twice.
. "$(dirname "$0")/lib.sh"
make_teacher
job=(produce labels.toml --labels.epochs=60)
mpi 2 "${job[@]}" --labels.store=whole.decant >/dev/null 2>&1
expected=$(digest_of whole.decant)
# While a run goes on, files are counted: one a span, and one of `meta`.
files() { { find killed.decant/db -name '*.sst' 2>/dev/null || true; } | wc -l; }
# Of a rank that dies before MPI is up, mpirun tells the others nothing when it is to go on without.
code=0
timeout 100 mpirun --enable-recovery --bind-to none --oversubscribe -n 1 bash -c 'kill -9 $$' : \
  -n 1 "$decant" "${job[@]}" --labels.store=killed.decant --lease 1 >out 2>&1 || code=$?
[ $code -ne 124 ] || fail "a rank died at its start, and the other one waits for ever"
grep -q '^decant: MPI did not come up within 10 s' out || fail "a rank died at its start: $(cat out)"
echo "ok: $(grep '^decant: MPI' out)"

committed_labels() { "$decant" inspect killed.decant --json | sed -n 's/^  "labels": \([0-9]*\),.*/\1/p'; }

before=0
for victim in rank launcher rank; do
  start=$(files)
  setsid mpirun --bind-to none --oversubscribe -n 2 "$decant" "${job[@]}" --labels.store=killed.decant >out 2>&1 &
  launcher=$!
  for _ in $(seq 1000); do [ "$(files)" -gt $((start + 2)) ] && break; sleep 0.02; done
  sleep 0.0$((RANDOM % 10))
  target=$launcher
  [ $victim = launcher ] || target=$(pgrep -P $launcher -x decant | shuf -n 1)
  [ -n "$target" ] && kill -9 "$target" || fail "the run ended before a $victim was killed: $(cat out)"
  wait $launcher 2>/dev/null || true
  # Each rank is a process group of its own; the session is one.
  for _ in $(seq 300); do pgrep -s $launcher -x decant >/dev/null || break; sleep 0.1; done
  ! pgrep -s $launcher -x decant >/dev/null || fail "ranks are left 30 s after a killed $victim: $(cat out)"
  "$decant" verify killed.decant | has 'verdict: sound, incomplete' || fail "not sound and incomplete after a killed $victim"
  labels=$(committed_labels)
  [ "$labels" -gt "$before" ] || fail "killed a $victim: $labels labels, expected more than $before"
  before=$labels
  echo "ok: killed a $victim at $before labels"
done
mpi 2 "${job[@]}" --labels.store=killed.decant --json >result 2>/dev/null
done_now=$(sed -n 's/.*"labels_this_run": \([0-9]*\),.*/\1/p' result)
adopted=$(sed -n 's/.*"labels_adopted": \([0-9]*\),.*/\1/p' result)
total=$(sed -n 's/.*"labels": \([0-9]*\),.*/\1/p' result)
[ $((done_now + adopted)) -eq $((total - before)) ] ||
  fail "the last run labelled $done_now and adopted $adopted, expected $total - $before"
found=$(digest_of killed.decant)
[ "$found" = "$expected" ] || fail "digest $found, expected $expected"
echo "ok: the last run labelled $done_now of $total and adopted $adopted, none of them twice; digest $found"
