#!/bin/bash
# `decant bench` on few labels: all commands give their documented rows, and refuse what they do not know.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

"$decant" bench codec --setting c1000_k10 --labels 3000 --json >codec.json 2>environment.txt
grep -q "GCC" environment.txt
"$decant" bench codec --setting c1000_k10 --labels 3000 --seed 1 --json >again.json 2>/dev/null
"$decant" bench store --labels 5000 --classes 900 --k 7 --dir . --json >store.json 2>/dev/null
"$decant" bench store --scale --labels 5000 --classes 900 --k 7 --dir . --json >scale.json 2>/dev/null
"$decant" bench select --setting c1000_k10 --rows 3000 --dir . --json >select.json 2>/dev/null
"$decant" bench cluster --span-ms 2 --ranks 3 --files 20 --chunks 26000 --max-ranks 30 --csv scaling.csv --dir . --json >cluster.json 2>/dev/null
ls -d decant-bench-* 2>/dev/null && { echo "the stores were left behind"; exit 1; }

python3 - <<'PYTHON'
import json

codec = {row["codec"]: row for row in json.load(open("codec.json"))}
assert codec["tinyvit"]["bytes_per_label"] == 44
assert codec["distillkit"]["bytes_per_label"] == 27
assert abs(codec["floor_ids"]["bytes_per_label"] - 9.73) < 0.01
assert codec["floor_ids"]["decode_entries_per_second"] is None
assert codec["generator_ids"]["bytes_per_label"] < codec["floor_ids"]["bytes_per_label"]
assert codec["decant_bounded"]["bytes_per_label"] < 44
assert codec["decant_bounded"]["kl_max"] <= codec["decant_bounded"]["kl_bound"]
for row in json.load(open("again.json")):
    for key, value in row.items():
        if not key.endswith("per_second"):
            assert value == codec[row["codec"]][key], (row["codec"], key)

store = {row["store"]: row for row in json.load(open("store.json"))}
assert store["flat_pread"]["random_warm_labels_per_second"] > 0
assert store["decant"]["random_cold_p99_microseconds"] > 0
assert json.load(open("scale.json"))["labels_verified"] == 5000

[select] = json.load(open("select.json"))
assert select["setting"] == "c1000_k10" and select["rows"] == 3000
steps = [select[step + "_microseconds"] for step in ("select", "encode", "write")]
assert min(steps) >= 0 and abs(sum(steps) - select["microseconds_per_label"]) < 1e-6
assert select["ratio_to_torch"] is None if select["note"] else select["torch_microseconds"] > 0

cluster = {row["setting"]: row for row in json.load(open("cluster.json"))}
assert set(cluster) == {"efficiency", "coordinator", "restart", "scaling_1s", "scaling_10s", "scaling_60s"}
assert 0 < cluster["efficiency"]["efficiency"] <= 1
assert cluster["coordinator"]["dealt_per_second"] > 0 and cluster["coordinator"]["committed_per_second"] > 0
assert cluster["restart"]["files"] == 4 and cluster["restart"]["first_span_seconds"] > 0
assert [row["ranks"] for row in cluster["scaling_60s"]["rows"]] == [10, 30]
assert len(open("scaling.csv").readlines()) == 7
PYTHON

expect 2 "there is no setting 'c10'" "$decant" bench cluster --setting c10
expect 2 "there is no setting 'c10'" "$decant" bench codec --setting c10
expect 2 "there is no variant 'x'" "$decant" bench codec --variant x
expect 2 "there is no setting 'c10'" "$decant" bench select --setting c10
expect 3 "there is no label store at nowhere.decant" "$decant" bench codec --store nowhere.decant
expect 2 "labels.k is 8, but must be 1 to the number of classes, 5" "$decant" bench store --classes 5 --k 8
