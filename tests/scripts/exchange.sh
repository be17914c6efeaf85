#!/bin/bash
# TinyViT's files to an exact store and back without a changed byte; arrays to a store and back; what is refused.
source "$(dirname "$0")/lib.sh"
tinyvit() { /usr/bin/python3 "$source/tests/python/tinyvit_files.py" "$@"; }
digest() { sed -n 's/^digest //p'; }
same_files() { diff -r "$1" "$2" >/dev/null || fail "$1 and $2 differ"; }
make_store=$3

# More than one span an epoch; epochs that begin at 30.
tinyvit write real 2 67000 10 200 3 30
first=$("$decant" import --format tinyvit exact.decant real --classes 200 | tee /dev/stderr | digest)
"$decant" import --format tinyvit exact.decant real --classes 200 --json | has '"labels": 134000' || fail "no labels"
"$decant" verify exact.decant | has 'verdict: sound$' || fail "the imported store is not sound"
"$decant" export --format tinyvit exact.decant back
tinyvit compare real back
second=$("$decant" import --format tinyvit again.decant back/logits_top10_epoch31 back/logits_top10_epoch30 --classes 200 | digest)
[ "$first" = "$second" ] || fail "digest $second of the second import, expected $first"
"$decant" export --format tinyvit again.decant back2
same_files back back2
echo "ok: exact, digest $first"

# The keys go where the labels go.
"$decant" extract half.decant exact.decant --epochs 0:1 >/dev/null
"$decant" export --format tinyvit half.decant half
same_files half/logits_top10_epoch30 back/logits_top10_epoch30
"$decant" merge merged.decant exact.decant >/dev/null
"$decant" export --format tinyvit merged.decant merged --epochs 1:2
same_files merged/logits_top10_epoch31 back/logits_top10_epoch31
rm merged.decant/db/CURRENT merged.decant/db/MANIFEST*
"$decant" repair merged.decant >/dev/null
"$decant" export --format tinyvit merged.decant repaired
same_files repaired back
echo "ok: extract, merge and repair keep the keys"

# Arrays, also of a store whose order is not that of the samples.
"$make_store" write small.decant 2 500 >/dev/null
"$decant" export --format npz small.decant arrays --json | has '"labels": 1000'
"$decant" export --format npz exact.decant exact_arrays --epochs 1:2
/usr/bin/python3 - "$decant" <<'PYTHON'
import json, subprocess, sys
import numpy as np

for epoch in (0, 1):
    arrays = np.load(f"arrays/epoch-{epoch:06d}.npz")
    offsets, ids, log_probs, tail = (arrays[name] for name in ("offsets", "ids", "log_probs", "tail_mass"))
    assert len(offsets) == 501 and offsets[-1] == len(ids) == len(log_probs) and len(tail) == 500
    assert (offsets.dtype, ids.dtype, log_probs.dtype, tail.dtype) == (np.uint64, np.uint32, np.float32, np.float32)
    assert arrays["num_classes"] == 100
    totals = np.add.reduceat(np.exp(log_probs.astype(np.float64)), offsets[:-1].astype(int)) + tail
    assert np.abs(totals - 1).max() < 1e-5
exact = np.load("exact_arrays/epoch-000001.npz")
keys = open("back/logits_top10_epoch31/rank0-keys.txt").read().split()
content = open("back/logits_top10_epoch31/rank0-values.bin", "rb").read()
record = np.frombuffer(content, dtype=[("seed", "<i4"), ("ids", "<i2", 10), ("probs", "<f2", 10)])
assert len(keys) == len(record) == 67000
row = 4711
listed = dict(zip(exact["ids"][10 * row : 10 * row + 10], np.exp(exact["log_probs"][10 * row : 10 * row + 10])))
for class_id, prob in zip(record["ids"][row], record["probs"][row]):
    assert abs(listed[class_id] - prob) <= 1e-6 * prob, (class_id, prob, listed)
print("ok: numpy.load reads the arrays")
PYTHON
"$decant" import --format npz imported.decant arrays --delta 0.125 >/dev/null
"$decant" export --format npz imported.decant arrays2
/usr/bin/python3 - <<'PYTHON'
import numpy as np
for epoch in (0, 1):
    a, b = (np.load(f"{folder}/epoch-{epoch:06d}.npz") for folder in ("arrays", "arrays2"))
    assert (a["offsets"] == b["offsets"]).all()
    rows = np.repeat(np.arange(500), np.diff(a["offsets"]).astype(int))
    first, second = (np.lexsort((x["ids"], rows)) for x in (a, b))
    assert (a["ids"][first] == b["ids"][second]).all()
    apart = np.abs(a["log_probs"][first] - b["log_probs"][second])
    assert apart.max() < 0.0626, apart.max()
    print(f"ok: {(apart < 1e-5).mean():.4f} of the values are the same after a second rounding")
PYTHON

# Arrays of somebody else, without what Decant adds; rounded to float16 only when asked.
/usr/bin/python3 - <<'PYTHON'
import pathlib
import numpy as np
pathlib.Path("plain").mkdir()
a = np.load("arrays/epoch-000000.npz")
np.savez_compressed("plain/0.npz", offsets=a["offsets"].astype(np.int64), ids=a["ids"].astype(np.int64),
                    log_probs=a["log_probs"].astype(np.float64), tail_mass=a["tail_mass"])
bad = dict(offsets=a["offsets"], ids=a["ids"], log_probs=a["log_probs"], tail_mass=a["tail_mass"])
np.savez("no_tails.npz", **{name: bad[name] for name in bad if name != "tail_mass"})
np.savez("short.npz", **(bad | {"log_probs": a["log_probs"][1:]}))
np.savez("unordered.npz", **(bad | {"offsets": a["offsets"][::-1]}))
np.savez("positive.npz", **(bad | {"log_probs": -a["log_probs"]}))
np.savez("negative.npz", **(bad | {"ids": a["ids"].astype(np.int64) - 50}))
PYTHON
"$decant" import --format npz plain.decant plain >/dev/null
expect 3 "no array 'tail_mass'" "$decant" import --format npz bad.decant no_tails.npz
expect 2 "array 'log_probs': expected" "$decant" import --format npz bad.decant short.npz
expect 2 "expected offsets that ascend from 0" "$decant" import --format npz bad.decant unordered.npz
expect 2 "positive.npz: " "$decant" import --format npz bad.decant positive.npz
expect 2 "array 'ids': element" "$decant" import --format npz bad.decant negative.npz
expect 4 "plain/0.npz: samples, temperatures or columns" "$decant" import --format npz bad.decant arrays plain/0.npz
expect 2 "its labels are not float16 probabilities" "$decant" export --format tinyvit plain.decant rounded
"$decant" export --format tinyvit plain.decant rounded --lossy
head -1 rounded/logits_top10_epoch0/rank0-keys.txt | grep -qx 000 || fail "keys are not the padded ids"
expect 2 "are not at temperature 1" "$decant" export --format tinyvit small.decant rounded2 --lossy
expect 2 "is there already" "$decant" export --format tinyvit exact.decant back
expect 2 "is there already" "$decant" export --format npz small.decant arrays
expect 2 "the store has the epochs 0:2" "$decant" export --format npz small.decant more --epochs 1:3

# What is not TinyViT's.
tinyvit write bad 2 300 5 50 2
again() { rm -rf bad bad.decant; tinyvit write bad 2 300 5 50 2; }
import=("$decant" import --format tinyvit bad.decant bad)
truncate -s -1 bad/logits_top5_epoch1/rank0-values.bin
expect 5 "rank0-values.bin: expected 3600 bytes" "${import[@]}"
again; rm bad/logits_top5_epoch1/rank1-values.bin
expect 3 "rank1-values.bin" "${import[@]}"
again; printf '\xff\xff\xff\xff' | dd of=bad/logits_top5_epoch0/rank0-values.bin bs=1 seek=4 conv=notrunc 2>/dev/null
expect 2 "class -1 is negative" "${import[@]}"
again; printf '\x01\x3c' | dd of=bad/logits_top5_epoch0/rank0-values.bin bs=1 seek=14 conv=notrunc 2>/dev/null
expect 2 "is not in [0, 1]" "${import[@]}"
again; printf '\x00\x00' | dd of=bad/logits_top5_epoch0/rank0-values.bin bs=1 seek=14 conv=notrunc 2>/dev/null
expect 2 "they must descend" "${import[@]}"
again; printf 'XXXX' | dd of=bad/logits_top5_epoch0/rank0-values.bin bs=1 seek=0 conv=notrunc 2>/dev/null
expect 4 "has different records in" "${import[@]}"
again; sed -i '3s/.*/other/' bad/logits_top5_epoch1/rank0-keys.txt
expect 4 "key 'other' is in" "${import[@]}"
again; sed -i '3s/.*/other/' bad/logits_top5_epoch0/rank0-keys.txt
expect 4 "key 'n" "${import[@]}"
again; for f in bad/logits_top5_epoch1/rank1; do sed -i '3d' $f-keys.txt; dd if=$f-values.bin bs=24 2>/dev/null count=2 >v; dd if=$f-values.bin bs=24 skip=3 >>v 2>/dev/null; mv v $f-values.bin; done
expect 4 "bad/logits_top5_epoch1 has no record of key" "${import[@]}"
again; mv bad/logits_top5_epoch1 bad/logits_top5_epoch2
expect 2 "expected every epoch once" "${import[@]}"
again; mv bad/logits_top5_epoch1 bad/logits_top6_epoch1
expect 2 "have different K" "${import[@]}"
again; expect 2 "class 49 is not below the number of classes, 40" "${import[@]}" --classes 40
expect 3 "is not, and holds no folder" "$decant" import --format tinyvit bad.decant arrays
expect 3 "holds no .npz file" "$decant" import --format npz bad.decant bad
