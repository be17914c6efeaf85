"""The benchmarks of the package run, and say what they measured; not how fast."""

import json
import subprocess
import sys

import pytest

SMALL = ["--labels", "6000", "--open-labels", "6000", "--rounds", "1"]


def bench(*arguments):
    command = [sys.executable, "-m", "decant.bench", *SMALL, *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize(
    "setting, names",
    [
        ("stream_k10", ["stream_k10", "stream_k10_padded"]),
        (
            "random",
            [f"random_{what}{how}" for what in ("one", "batch") for how in ("", "_converted", "_default_cache")],
        ),
        ("worker_memory", ["worker_memory_stream", "worker_memory_random"]),
        ("loader", ["loader", "loader_external"]),
        ("open", ["open"]),
    ],
)
def test_rows_of_json(setting, names):
    result = bench("--json", "--setting", setting)
    assert result.returncode == 0, result.stderr
    rows = json.loads(result.stdout)
    assert [row["setting"] for row in rows] == names
    for row in rows:
        assert set(row) == {"setting", "unit", "rate", "reference", "reference_rate", "ratio"}
        assert row["rate"] > 0 and row["reference_rate"] > 0 and row["ratio"] > 0


def test_a_table_names_the_machine():
    result = bench("--setting", "open")
    assert "NumPy" in result.stdout.splitlines()[0]
    assert result.stdout.splitlines()[-1].startswith("open ")


def test_another_setting_is_refused():
    result = bench("--setting", "close")
    assert result.returncode == 2 and "no setting close" in result.stderr
