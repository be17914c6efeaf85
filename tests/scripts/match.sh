#!/bin/bash
# `decant match` and `decant check`: are these labels of these samples, and how often are they right?
source "$(dirname "$0")/lib.sh"
# Labels of the digits that know something, those of a shuffled copy, and those of tokens, without running a teacher.
/usr/bin/python3 - <<'PYTHON'
import numpy as np
generator = np.random.default_rng(0)
digits = dict(np.load("digits.npz"))
count = len(digits["x_train"])
order = generator.permutation(count)
np.savez("shuffled.npz", **{**digits, "x_train": digits["x_train"][order], "y_train": digits["y_train"][order]})
np.savez("fewer.npz", **{**digits, "x_train": digits["x_train"][:-1], "y_train": digits["y_train"][:-1]})
# An engine's labels without any identity: right in nine of ten.
classes = digits["y_train"].astype(np.uint32)
wrong = generator.random(count) < 0.1
classes[wrong] = (classes[wrong] + 1) % 10
np.savez("foreign.npz", offsets=np.arange(count + 1, dtype=np.uint64), ids=classes,
         log_probs=np.full(count, np.log(0.75), np.float32), tail_mass=np.full(count, 0.25, np.float32))
PYTHON
verdict() { sed -n 's/^  "verdict": "\(.*\)",$/\1/p' "$1"; }
match() { # CODE VERDICT ARGUMENTS...: of match, and of check
  local code=$1 wanted=$2 found=0
  shift 2
  "$decant" match "$@" --json >report.json || found=$?
  [ "$found" -eq "$code" ] || fail "match $*: exit code $found, expected $code"
  [ "$(verdict report.json)" = "$wanted" ] || fail "match $*: expected $wanted: $(cat report.json)"
  echo "ok: match $*: $wanted"
}

"$decant" import --format npz foreign.decant foreign.npz >/dev/null
match 4 unknown foreign.decant digits.npz
match 4 "not aligned" foreign.decant fewer.npz
grep -qF '1,200 in the store, 1,199 in the dataset' report.json || fail "no counts: $(cat report.json)"
found=0
"$decant" check foreign.decant --dataset digits.npz --json >report.json || found=$?
[ "$found" -eq 4 ] && [ "$(verdict report.json)" = unknown ] || fail "exit $found: $(cat report.json)"
/usr/bin/python3 -c '
import json
report = json.load(open("report.json"))
assert report["labels"] == 1200 and 0.86 < report["top_1"] < 0.94 and report["commonest_class"] < 0.2, report
assert report["spans"] == report["spans_committed"] == 1 and report["sealed"], report
'
# The same count, other samples: the classes tell.
found=0
"$decant" check foreign.decant --dataset shuffled.npz >report || found=$?
[ "$found" -eq 4 ] || fail "shuffled digits: exit code $found"
grep -q '^  classes    differs .*other samples' report || fail "classes of shuffled digits: $(cat report)"
grep -q '^verdict: not aligned' report || fail "shuffled digits: $(cat report)"

# Names: equal, others, and the same in another order. A store's keys may have fewer folders, and no endings.
/usr/bin/python3 "$source/tests/python/tinyvit_files.py" write real 1 300 5 50 1
"$decant" import --format tinyvit named.decant real >/dev/null
/usr/bin/python3 - <<'PYTHON'
import os, struct, zlib
def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
png = (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
       + chunk(b"IDAT", zlib.compress(b"\0\1\2\3")) + chunk(b"IEND", b""))
keys = open("real/logits_top5_epoch0/rank0-keys.txt").read().split()
for i, key in enumerate(sorted(set(keys))):
    for path in (f"same/train/a/{key}", f"others/train/a/{key}0", f"mixed/train/{'ab'[i % 2]}/{key}"):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        open(path + ".png", "wb").write(png)
PYTHON
match 0 aligned named.decant same
match 4 "not aligned" named.decant others
grep -qF "0 of the store's 300 names are in the dataset" report.json || fail "other names: $(cat report.json)"
match 4 "not aligned" named.decant mixed
grep -qF 'the same samples in another order' report.json || fail "mixed names: $(cat report.json)"

# A store of this program's own: the schema says what it was labelled from.
make_teacher
"$decant" produce labels.toml >/dev/null 2>stderr || fail "$(cat stderr)"
match 0 aligned labels.decant digits.npz
grep -qF '1,024 of 1,024 fingerprints of views' report.json || fail "fingerprints: $(cat report.json)"
match 4 "not aligned" labels.decant shuffled.npz
grep -qF 'dataset.fingerprint: expected' report.json || fail "fingerprints of datasets: $(cat report.json)"
match 4 "not aligned" labels.decant digits.npz --data.split=test
"$decant" check labels.decant --dataset digits.npz >report || fail "check: $(cat report)"
grep -q '^  classes    equal    top 1 ' report || fail "the teacher of the digits knows nothing: $(cat report)"
grep -q '^labels.decant: 16 of 16 spans of 4 epochs, sealed' report || fail "coverage: $(cat report)"
expect 3 "labels.decants" "$decant" match labels.decants digits.npz
expect 3 "nowhere.npz" "$decant" check labels.decant --dataset nowhere.npz
expect 2 "data.pth" "$decant" match labels.decant digits.npz --data.pth=x
expect 2 "views.seed" "$decant" match labels.decant digits.npz --views.seed=1
exit 0
