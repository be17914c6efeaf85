#!/bin/bash
# Training on several MPI ranks: the loss curve of one rank; going on after a rank was killed, with as many ranks and with others; a chunk
# that is damaged ends all ranks.
#   train_on_ranks.sh DECANT SOURCE
. "$(dirname "$0")/lib.sh"
make_teacher
"$decant" produce labels.toml >/dev/null 2>&1

# same_curve A B: the losses of their epochs differ by 1 % at most, the last accuracies by 3 points.
same_curve() {
  /usr/bin/python3 - "$1" "$2" <<'PYTHON'
import json, sys
a, b = ([json.loads(line) for line in open(name)] for name in sys.argv[1:])
assert [x["epoch"] for x in a] == [x["epoch"] for x in b], "not the same epochs"
for x, y in zip(a, b):
    assert abs(x["train_loss"] - y["train_loss"]) < 0.01 * x["train_loss"], f"{x} and {y}"
assert abs(a[-1]["test_accuracy"] - b[-1]["test_accuracy"]) < 0.03, f"{a[-1]} and {b[-1]}"
print("ok: losses", *(f"{y['train_loss'] / x['train_loss'] - 1:+.1e}" for x, y in zip(a, b)))
PYTHON
}
train() {  # NAME RANKS OPTION...
  local name=$1 ranks=$2
  shift 2
  mpi "$ranks" train student.toml --train.checkpoint="$name.safetensors" --train.metrics="$name.jsonl" "$@" >"$name.out" 2>"$name.err"
}
"$decant" train student.toml --train.checkpoint=one.safetensors --train.metrics=one.jsonl >/dev/null 2>&1
for ranks in 1 2 4; do
  train ranks$ranks $ranks || fail "$ranks ranks: $(cat ranks$ranks.err)"
  same_curve one.jsonl ranks$ranks.jsonl || fail "$ranks ranks: another curve"
  [ "$(grep -c 'test accuracy' ranks$ranks.out)" -eq 1 ] || fail "$ranks ranks: one report expected: $(cat ranks$ranks.out)"
done

long=(--train.epochs=25 --train.save_steps=5)
train whole 2 "${long[@]}" || fail "$(cat whole.err)"
for ranks in 2 3; do  # that go on
  rm -f killed.*
  train killed 2 "${long[@]}" & job=$!
  for _ in $(seq 2000); do [ -e killed.safetensors.resume ] && break; sleep 0.01; done
  sleep 0.$((RANDOM % 5))
  kill -KILL "$(pgrep -f "^$decant train .*--train.checkpoint=killed" | shuf -n 1)"
  if wait $job; then fail "a rank was killed, and the training says that it is complete"; fi
  [ -e killed.safetensors.resume ] || fail "no checkpoint is left"
  train killed $ranks "${long[@]}" || fail "$(cat killed.err)"
  same_curve whole.jsonl killed.jsonl || fail "killed, then $ranks ranks: another curve"
  if [ $ranks -eq 2 ]; then cmp whole.safetensors killed.safetensors || fail "killed, then 2 ranks: other weights"; fi
  echo "ok: a rank killed, $ranks ranks went on"
done

# Of a file's blocks one is damaged: a rank that needs it says so, and nobody waits for it.
"$decant" produce labels.toml --labels.store=damaged.decant --labels.k=10 --labels.chunk_size=300 --labels.span_chunks=2 >/dev/null 2>&1
chmod u+w damaged.decant/db/*.sst  # sealing took it
file=$(find damaged.decant -name '*.sst' | sort | sed -n 3p)
printf '\xff\xff\xff\xff' | dd of="$file" bs=1 seek=200 conv=notrunc status=none
code=0
train damaged 4 --labels.store=damaged.decant --train.epochs=4 || code=$?
[ $code -eq 5 ] || fail "a damaged chunk: exit code $code: $(cat damaged.err)"
grep -q '^decant: rank [0-3] of 4: .*damaged.decant, chunk [0-9]* of epoch [0-9]*' damaged.err || fail "no word of the chunk: $(cat damaged.err)"
echo "ok: $(grep -m1 '^decant: rank' damaged.err)"
