"""What the tests of the Python package share: stores that the program `decant` made."""

import os
import subprocess

import pytest

SOURCES = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.environ.get("DECANT_PROGRAM", os.path.join(SOURCES, "build/release/cli/decant"))
DIGITS = os.path.join(SOURCES, "examples/digits/digits.npz")

TEACHER = """
import sys, torch

class Teacher(torch.nn.Module):
    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(7)
        self.weight = torch.nn.Parameter(torch.randn(10, 64, generator=generator))

    def forward(self, images):
        # In double precision, so that every version of PyTorch gives the same float32 numbers.
        return images.flatten(1).double().matmul(self.weight.double().t()).float() / 4

torch.jit.trace(Teacher(), torch.zeros(2, 1, 8, 8)).save(sys.argv[1])
"""

JOB = """
[data]
path = "{digits}"

[views]
seed = 3
shift = 0.1
rotate = 10
{views}

[teacher]
path = "teacher.pt"
batch_size = 32

[labels]
store = "labels.decant"
k = 4
epochs = 3
chunk_size = 100
span_chunks = 3
calibration_labels = 128
{labels}
"""


def run(*arguments, **options):
    """Runs the program; its output. Raises when it fails."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    result = subprocess.run([PROGRAM, *map(str, arguments)], env=environment, capture_output=True, text=True, **options)
    assert result.returncode == 0, f"decant {arguments}: {result.returncode}\n{result.stdout}\n{result.stderr}"
    return result.stdout


def write_job(folder, *, views="", labels=""):
    """A job that labels the 1,200 handwritten digits (8 x 8, grey) in `folder`, and its teacher; the job's path."""
    # By the PyTorch that the program has as LibTorch.
    subprocess.run(["/usr/bin/python3", "-c", TEACHER, str(folder / "teacher.pt")], check=True)
    path = folder / "labels.toml"
    path.write_text(JOB.format(digits=DIGITS, views=views, labels=labels))
    return path


@pytest.fixture(scope="session")
def digits_store(tmp_path_factory):
    """The path of a complete store: 1,200 samples, 3 epochs, 10 classes, k = 4, native views, fingerprints."""
    folder = tmp_path_factory.mktemp("digits")
    run("produce", write_job(folder))
    return folder / "labels.decant"


@pytest.fixture(scope="session")
def mixed_store(tmp_path_factory):
    """The same with mixup and cutmix."""
    folder = tmp_path_factory.mktemp("mixed")
    run("produce", write_job(folder, views="mixup = 0.5\ncutmix = 0.4"))
    return folder / "labels.decant"
