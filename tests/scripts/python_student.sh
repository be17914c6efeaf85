#!/bin/bash
# A TorchScript module that Debian's Python and torch made is trained from a store, and Python finds it as good as the report says.
. "$(dirname "$0")/lib.sh"
/usr/bin/python3 -c 'import torch' 2>/dev/null || { echo "skipped: Debian's python3-torch is not installed"; exit 77; }
make_teacher
"$decant" produce labels.toml >/dev/null 2>&1
/usr/bin/python3 - <<'PY'
import torch
from torch import nn
torch.manual_seed(0)
student = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.1), nn.Flatten(), nn.Linear(512, 10))
torch.jit.script(student).save("student.pt")
torch.jit.freeze(torch.jit.script(student).eval()).save("frozen.pt")
PY
training=("$decant" train student.toml --train.epochs=6 --train.learning_rate=0.01 --train.metrics=)
train() { train_of student.pt "$@"; }
train_of() { local module=$1; shift; "${training[@]}" --student.module="$module" "$@"; }
train --train.checkpoint=trained.pt --json >report.json 2>/dev/null
/usr/bin/python3 - <<'PY'
import json
import numpy as np
import torch
digits = np.load("digits.npz")
images = torch.tensor(digits["x_test"]).float().view(-1, 1, 8, 8)
student = torch.jit.load("trained.pt").eval()
right = student((images / 255 - 0.5) / 0.5).argmax(1).numpy() == digits["y_test"]
accuracy, reported = right.mean(), json.load(open("report.json"))["test_accuracy"]
assert abs(accuracy - reported) < 0.002 and accuracy > 0.4, (accuracy, reported)
print("ok: accuracy", accuracy)
PY
# Stopped in the middle, and on: dropout and batch statistics go on as well as they can; the report has all steps.
"${training[@]}" --student.module=student.pt --train.checkpoint=parts.pt --train.save_steps=10 --train.epochs=500 >/dev/null 2>&1 & pid=$!
for _ in $(seq 1000); do [ -e parts.pt.resume ] && break; sleep 0.01; done
kill -KILL $pid; wait $pid 2>/dev/null || true
expect 4 "written by another training; epochs: expected 500, found 6" train --train.checkpoint=parts.pt
expect 5 "not a TorchScript module" train_of digits.npz --train.checkpoint=other.pt
expect 2 "a TorchScript module without parameters cannot learn" train_of frozen.pt --train.checkpoint=other.pt
expect 3 "missing.pt" train_of missing.pt --train.checkpoint=other.pt
