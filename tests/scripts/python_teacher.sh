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
