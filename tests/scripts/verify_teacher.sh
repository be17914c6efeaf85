#!/bin/bash
# verify --teacher accepts the teacher whose labels they are, and refuses another teacher, other views, another dataset.
. "$(dirname "$0")/lib.sh"
make_teacher
"$decant" produce labels.toml >/dev/null 2>&1
"$decant" verify labels.decant --teacher labels.toml --samples 1000 > right.txt || fail "the right teacher: $(cat right.txt)"
grep -q "these are the teacher's labels" right.txt || fail "no verdict: $(cat right.txt)"
cat right.txt
"$decant" verify labels.decant --teacher labels.toml --samples 200 --json | /usr/bin/python3 -c '
import json, sys
teacher = json.load(sys.stdin)["teacher"]
assert teacher["stored"]["labels"] == 200 and teacher["stored"]["top_1_agreement"] > 0.95
assert not teacher["disagreements"] and not teacher["differences"]' || fail "verify --teacher --json"

refused() {
  local name=$1 text=$2 code=0
  shift 2
  "$decant" verify labels.decant --teacher labels.toml --samples 1000 "$@" > wrong.txt || code=$?
  [ "$code" -eq 4 ] || fail "$name: exit code $code, expected 4: $(cat wrong.txt)"
  grep -q "not this teacher's labels" wrong.txt || fail "$name: no verdict: $(cat wrong.txt)"
  grep -q "differs from the store: $text" wrong.txt || fail "$name: no word about $text: $(cat wrong.txt)"
  echo "ok: $name is refused: $(grep 'to be expected' wrong.txt | head -1)"
}
"$decant" train teacher.toml --train.seed=1 --train.checkpoint=other.safetensors >/dev/null 2>&1
refused "another teacher" teacher.digest --teacher.path=other.safetensors
refused "another seed of the views" seed --views.seed=8
# The same number of images, in another order.
/usr/bin/python3 - <<'PY'
import numpy as np
arrays = dict(np.load("digits.npz"))
for name in ("x_train", "y_train"): arrays[name] = arrays[name][::-1]
np.savez("reversed.npz", **arrays)
PY
refused "another dataset" dataset.fingerprint --data.path=reversed.npz
expect 4 "samples" "$decant" verify labels.decant --teacher labels.toml --data.split=test
file=$(compgen -G 'labels.decant/db/*.sst' | head -1)
cp -r labels.decant damaged.decant; chmod -R u+w damaged.decant
printf 'damage' | dd of="damaged.decant/db/$(basename "$file")" bs=1 seek=100 conv=notrunc 2>/dev/null
code=0; "$decant" verify damaged.decant --teacher labels.toml --teacher.threads=1 >wrong.txt || code=$?
[ "$code" -eq 5 ] || fail "a damaged store: exit code $code, expected 5: $(cat wrong.txt)"
expect 2 "unknown argument '--teacher.threads=1'" "$decant" verify labels.decant --teacher.threads=1
expect 3 "nothing.toml" "$decant" verify labels.decant --teacher nothing.toml
