#!/bin/bash
# `decant plan` foresees what `decant produce` then does.
source "$(dirname "$0")/lib.sh"
make_teacher
"$decant" plan labels.toml --ranks 2 --json >plan.json
"$decant" plan labels.toml --views 100 >text
grep -q '^labels.decant: 4,800 labels: 4 epochs of 1,200 samples, 10 classes' text || fail "$(cat text)"
grep -q '^  this job ' text && grep -q '^  top 2 ' text && grep -q '^  95 %, at most 10 ' text || fail "$(cat text)"
[ -e labels.decant ] && fail "a plan made a store"
"$decant" produce labels.toml >/dev/null 2>&1
"$decant" inspect labels.decant --data digits.npz --json >store.json
/usr/bin/python3 - <<'PYTHON'
import json
plan, store = json.load(open("plan.json")), json.load(open("store.json"))
assert plan["views"] == 1024 and plan["ranks"] == 2
assert (plan["labels"], plan["spans"]) == (store["labels"], store["spans"])
assert abs(plan["bytes_per_label"] / store["chunk_bytes_per_label"] - 1) < 0.25, (plan, store["chunk_bytes_per_label"])
assert abs(plan["bytes"] / store["disk_bytes"] - 1) < 0.25, (plan["bytes"], store["disk_bytes"])
rows = plan["rows"]
assert [row["k"] for row in rows if row["selection"] == "top_k"] == [1, 2, 5]
assert [row["p"] for row in rows if row["selection"] == "top_p"] == [0.9, 0.95, 0.99]
job = next(row for row in rows if row["selection"] == "top_k" and row["k"] == 5)
assert all(plan[key] == job[key] for key in job), (plan, job)
assert abs(plan["hours"] * 3600 * 2 * plan["labels_per_second"] - plan["labels"]) < 1e-6 * plan["labels"]
assert 0.2 < store["sample"]["top_1_agreement"] <= 1
print(f"ok: {plan['bytes_per_label']:.2f} bytes a label foreseen, {store['chunk_bytes_per_label']:.2f} found")
PYTHON
"$decant" plan labels.toml --labels.selection=sample --json | has '"kl_mean": null' || fail "a sample has no KL"
"$decant" inspect labels.decant --data digits.npz | has 'the likeliest class is the true one in' || fail "no agreement"
expect 4 "dataset.split: expected \"train\", found \"test\"" "$decant" inspect labels.decant --data digits.npz --split test
