#!/bin/bash
# The demo, with one seed: every step works and summary.json has its keys.
. "$(dirname "$0")/lib.sh"
"$decant" demo --out demo --data digits.npz --seeds 1
/usr/bin/python3 - <<'PY'
import json
summary = json.load(open("demo/summary.json"))
for key in ("teacher_accuracy", "distilled_accuracy", "hard_accuracy"):
    assert isinstance(summary[key], list) and 0.5 < summary[key][0] <= 1, (key, summary[key])
for key in ("teacher_parameters", "student_parameters", "labels", "bytes_per_label", "tinyvit_bytes_per_label", "kl_mean",
            "kl_bound", "labels_per_second_produced", "labels_per_second_streamed", "seconds_train_from_store",
            "seconds_train_with_teacher"):
    assert summary[key] > 0, (key, summary[key])
assert summary["kl_max"] <= summary["kl_bound"] + 5e-7
assert len(summary["digest"]) == 64
PY
[ ! -e demo/teacher.safetensors ] || fail "the teacher is still there"
[ "$(digest_of demo/labels.decant)" = "$(sed -n 's/.*"digest": "\(.*\)".*/\1/p' demo/summary.json)" ] || fail "digest"
