"""Every example runs from its first line to its last, and does what it says. (reader.cc: tests/install.)"""

import os
import re
import subprocess
import sys

from conftest import SOURCES

import decant


def run_example(name, *arguments):
    command = [sys.executable, os.path.join(SOURCES, "examples", name), *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    return result.stdout


def losses_in(output):
    return [float(loss) for loss in re.findall(r"loss (\S+)", output)]


def test_train_pytorch(digits_store):
    output = run_example("train_pytorch.py", digits_store, 4)
    losses = losses_in(output)
    assert len(losses) == 4 and losses[-1] < 0.9 * losses[0]
    assert "test accuracy" in output


def test_your_own_transforms(tmp_path):
    output = run_example("your_own_transforms.py", tmp_path / "labels.decant")
    losses = losses_in(output)
    assert len(losses) == 10 and losses[-1] < losses[0]
    assert "Another transform: " in output and "ShiftAndNoise(pixels=2" in output


def test_label_with_python(tmp_path):
    output = run_example("label_with_python.py", tmp_path / "labels.decant")
    counts = [int(count.replace(",", "")) for count in re.findall(r"labelled (\S+) views", output)]
    assert len(counts) == 2 and sum(counts) in (4 * 1200, 4 * 1200 + 256)  # who begins also labels those for calibration
    assert decant.open(tmp_path / "labels.decant").digest in output


def test_tokens(tmp_path):
    """The student learns from labels what the text alone gives, and no less."""
    output = run_example("tokens.py", tmp_path, 60)
    bits = dict(re.findall(r"^  (.*?) +(\d+\.\d+)$", output, re.MULTILINE))
    assert list(bits) == ["teacher", "student, from the store", "student, from the text"]
    assert float(bits["student, from the store"]) < float(bits["student, from the text"]) + 0.1 < 5
