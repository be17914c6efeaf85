#!/bin/bash
# Stores made with 1, 2, 3 and 4 ranks, and without mpirun, have the same digest; so has one that was stopped in between.
. "$(dirname "$0")/lib.sh"
make_teacher
"$decant" produce labels.toml --labels.store=alone.decant 2>/dev/null
expected=$(digest_of alone.decant)
[ ${#expected} -eq 64 ] || fail "no digest: '$expected'"
for ranks in 1 2 3 4; do
  mpi $ranks produce labels.toml --labels.store=ranks$ranks.decant >/dev/null 2>&1 || fail "$ranks ranks"
  found=$(digest_of ranks$ranks.decant)
  [ "$found" = "$expected" ] || fail "$ranks ranks: digest $found, expected $expected"
  echo "ok: $ranks ranks: $found"
done

# USR1 to mpirun reaches all ranks: they finish what is under way and exit 75.
mpirun --bind-to none --oversubscribe -n 2 "$decant" produce labels.toml --labels.store=stopped.decant \
  --labels.epochs=200 >/dev/null 2>stderr &
pid=$!
for _ in $(seq 200); do compgen -G 'stopped.decant/db/*.sst' >/dev/null && break; sleep 0.05; done
sleep 0.3
kill -USR1 $pid
code=0; wait $pid || code=$?
[ "$code" -eq 75 ] || fail "stopped with exit code $code, expected 75: $(cat stderr)"
grep -q 'running again continues' stderr || fail "no word about going on: $(cat stderr)"
"$decant" verify stopped.decant | has 'sound, incomplete' || fail "the stopped store is not sound and incomplete"
echo "ok: stopped by USR1 with exit code 75"
