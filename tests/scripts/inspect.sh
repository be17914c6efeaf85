#!/bin/bash
# `decant inspect`: what a store's labels cost and are like; one label with the names of its classes.
source "$(dirname "$0")/lib.sh"
"$3" write labels.decant 2 5000 >/dev/null
"$decant" inspect labels.decant --json >store.json
"$decant" inspect labels.decant >text
for line in 'of 10,000 labels in 158 chunks:' '  bytes a label  counts ' '  entropy (nats), mean ' '  largest probability, mean '; do
  grep -qF -- "$line" text || fail "no '$line' in: $(cat text)"
done
seq -f 'class number %g' 0 99 >names.txt
"$decant" inspect labels.decant --sample 17 --epoch 1 --class-names names.txt --json >label.json
"$decant" inspect labels.decant --sample 17 --epoch 1 --class-names names.txt | has 'log -[0-9.]*  class number' ||
  fail "no class names"
/usr/bin/python3 - <<'PYTHON'
import json
store = json.load(open("store.json"))
sample = store["sample"]
assert sample["labels"] == 10000 and sample["chunks"] == 158
assert abs(sum(sample["bytes_per_label"].values()) - store["chunk_bytes_per_label"]) < 1e-9
assert abs(sample["entries"]["mean"] - store["entries_per_label"]) < 1e-9
for name in ("entropy", "entries", "tail_mass", "top_prob"):
    assert sum(sample[name]["counts"]) == 10000 and len(sample[name]["edges"]) == len(sample[name]["counts"]) + 1
label = json.load(open("label.json"))
assert label["class_names"] == [f"class number {i}" for i in label["ids"]]
print("ok: columns add up to the records, histograms to the labels")
PYTHON
head -3 names.txt >few.txt
expect 2 "few.txt: expected a line for each of 100 classes, found 3" "$decant" inspect labels.decant --sample 17 --class-names few.txt
expect 4 "is not what labels.decant was labelled from; dataset.fingerprint" \
  "$decant" inspect labels.decant --data digits.npz --split train

# An imported store has no views; a probability of 0 is no number in JSON.
/usr/bin/python3 "$source/tests/python/tinyvit_files.py" write real 1 300 5 50 1
"$decant" import --format tinyvit imported.decant real >/dev/null
"$decant" inspect imported.decant --json | has '"ties"' || fail "no bytes for ties"
for sample in $(seq 0 20); do "$decant" inspect imported.decant --sample "$sample"; done >labels
grep -q 'probability 0.000000  log -inf' labels || fail "no probability 0"
grep -q view labels && fail "a view of an imported label"

# The fingerprint of a view is told with its label, as it was imported.
/usr/bin/python3 - <<'PYTHON'
import numpy as np
np.savez("marked.npz", offsets=np.arange(3, dtype=np.uint64), ids=np.array([4, 1], np.uint32),
         log_probs=np.zeros(2, np.float32), tail_mass=np.zeros(2, np.float32),
         view_fingerprints=np.array([0x0bee, 0xfffe], np.uint16))
PYTHON
"$decant" import --format npz marked.decant marked.npz >/dev/null
"$decant" inspect marked.decant --sample 0 | has 'view fingerprint 0x0bee' || fail "no fingerprint of sample 0"
"$decant" inspect marked.decant --sample 1 --json | has '"view_fingerprint": 65534' || fail "no fingerprint of sample 1"
"$decant" inspect marked.decant --json | has '"view_fingerprints": 2.0' || fail "no bytes for fingerprints"
"$decant" verify marked.decant >/dev/null
exit 0
