#!/bin/bash
# A TorchScript teacher exported by Debian's Python and torch labels like a native one.
. "$(dirname "$0")/lib.sh"
/usr/bin/python3 -c 'import torch' 2>/dev/null || { echo "skipped: Debian's python3-torch is not installed"; exit 77; }
/usr/bin/python3 "$source/examples/export_teacher.py" teacher.pt
"$decant" produce labels.toml --teacher.path=teacher.pt --labels.k=10
"$decant" verify labels.decant | grep 'verdict: sound'
"$decant" inspect labels.decant --json | has '"kind": "torchscript"' || fail "the schema does not say torchscript"
# One un-augmented label against PyTorch's own softmax.
"$decant" produce labels.toml --teacher.path=teacher.pt --labels.k=10 --labels.store=plain.decant --labels.epochs=1 \
  --views.shift=0 --views.rotate=0 --views.shear=0 --views.brightness=0 --views.mixup=0 --labels.delta=0.001 >/dev/null 2>&1
"$decant" inspect plain.decant --sample 11 --json > label.json
/usr/bin/python3 - <<'PY'
import json
import numpy as np
import torch
image = torch.tensor(np.load("digits.npz")["x_train"][11]).float().view(1, 1, 8, 8)
expected = torch.log_softmax(torch.jit.load("teacher.pt")((image / 255 - 0.5) / 0.5)[0], 0).detach().numpy()
label = json.load(open("label.json"))
found = np.array(label["log_probs"])
expected = expected[label["ids"]]
assert np.abs(expected - found).max() < 0.0011, (expected, found)
print("ok: the label is PyTorch's log_softmax to", np.abs(expected - found).max())
PY
# The logits of a dict are those of the tensor alone; without their name the outputs are listed.
/usr/bin/python3 "$source/examples/export_teacher.py" dict.pt --kind dict
expect 2 "'features' float32 [64, 64]; set teacher.output" "$decant" produce labels.toml --teacher.path=dict.pt --labels.store=dict.decant
"$decant" produce labels.toml --teacher.path=dict.pt --teacher.output=logits --labels.k=10 --labels.store=dict.decant >/dev/null 2>&1
for store in labels dict; do "$decant" inspect $store.decant --sample 11 --epoch 3 --json > $store.json; done
cmp labels.json dict.json || fail "the dict's logits gave another label"
# An ensemble of a network with itself is that network, up to rounding; the schema names its members.
"$decant" produce labels.toml '--teacher.path=["teacher.pt", "dict.pt"]' --teacher.output=logits --labels.k=10 \
  --labels.store=both.decant >/dev/null 2>stderr && fail "teacher.pt has no output 'logits'"
"$decant" produce labels.toml '--teacher.path=["teacher.pt", "teacher.pt"]' '--teacher.weights=[1, 3]' --labels.k=10 \
  --labels.store=both.decant >/dev/null 2>&1
"$decant" inspect both.decant --json | has '"weight": 0.75' || fail "the schema does not say the weights"
