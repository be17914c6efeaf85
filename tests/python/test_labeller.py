"""Labelling from Python: the same labels as `decant produce`, whoever makes them and whoever dies."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

import decant
from conftest import PROGRAM, run, write_job

WORKER = """
import sys, time, torch, decant
torch.set_num_threads(1)
path, job, pause = sys.argv[1], sys.argv[2], float(sys.argv[3])
teacher = torch.jit.load(sys.argv[4]).eval()
with torch.no_grad(), decant.Labeller(path, job, num_classes=10, lease_seconds=5) as labeller:
    for span in labeller.spans():
        for batch in span:
            batch.put(teacher(batch.inputs))
            time.sleep(pause)
"""


def start_worker(store, job, pause=0.0):
    arguments = [sys.executable, "-c", WORKER, str(store), str(job), str(pause), str(job.parent / "teacher.pt")]
    return subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True)


def start_produce(store, job):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [PROGRAM, "produce", str(job), f"--labels.store={store}", "--lease", "5"]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def label_here(store, job, **options):
    teacher = torch.jit.load(str(job.parent / "teacher.pt")).eval()
    with torch.no_grad(), decant.Labeller(store, job, num_classes=10, **options) as labeller:
        for span in labeller.spans():
            for batch in span:
                batch.put(teacher(batch.inputs))


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def test_labels_are_those_of_produce(digits_store, tmp_path):
    label_here(tmp_path / "labels.decant", digits_store.parent / "labels.toml")
    run("verify", tmp_path / "labels.decant")
    mine, other = decant.open(tmp_path / "labels.decant"), decant.open(digits_store)
    assert mine.schema["teacher"] == other.schema["teacher"]
    assert mine.schema["dataset"] == other.schema["dataset"]
    assert mine.schema["views"] == other.schema["views"]
    for epoch in range(3):
        for name in ("ids", "log_probs", "tail", "view_fingerprints"):
            wanted = getattr(other.labels_of(epoch, range(1200)), name)
            np.testing.assert_array_equal(getattr(mine.labels_of(epoch, range(1200)), name), wanted)
    assert mine.digest == other.digest
    assert sorted(os.listdir(tmp_path / "labels.decant")) == ["db", "lease", "seal", "staging"]


def test_mixed_views_and_the_true_label(tmp_path):
    job = write_job(tmp_path, views="mixup = 0.5", labels="true_label = true\ntemperatures = [1, 2]")
    run("produce", job, f"--labels.store={tmp_path / 'produced.decant'}")
    label_here(tmp_path / "labels.decant", job)
    assert decant.open(tmp_path / "labels.decant").digest == decant.open(tmp_path / "produced.decant").digest


def test_a_job_as_a_dict_and_labels_instead_of_logits(tmp_path, digits_store):
    store = decant.open(digits_store)
    sections = {
        "data": {"path": store.schema["provenance"]["job"]["data"]["path"]},
        "labels": {"k": 3, "epochs": 1, "chunk_size": 64, "span_chunks": 4, "calibration_labels": 0},
        "teacher": {"batch_size": 50},
    }
    with decant.Labeller(tmp_path / "labels.decant", sections, num_classes=10, teacher="digits v1") as labeller:
        for span in labeller.spans():
            for batch in span:
                log_probs = torch.tensor([[0.5, 0.3, 0.1, 0.0]]).log().expand(len(batch), 4)
                ids = torch.arange(4).expand(len(batch), 4) + span.epoch
                batch.put((ids, log_probs, torch.full((len(batch),), 0.1)))
    made = decant.open(tmp_path / "labels.decant")
    assert made.schema["teacher"] == {"kind": "python", "name": "digits v1"}
    ids, log_probs, tail = made.labels(0, 17)
    assert sorted(ids) == [0, 1, 2] and tail == pytest.approx(0.1, rel=0.05)
    assert np.exp(log_probs).max() == pytest.approx(0.5, rel=0.05)


def test_several_at_once_share_the_work(digits_store, tmp_path):
    job = digits_store.parent / "labels.toml"
    workers = [start_worker(tmp_path / "labels.decant", job, pause=0.01) for _ in range(3)]
    for worker in workers:
        assert worker.wait(120) == 0, worker.stderr.read()
    assert decant.open(tmp_path / "labels.decant").digest == decant.open(digits_store).digest


def answers(batch, ids, probs):
    size = len(batch)
    return torch.tensor(ids).expand(size, -1), torch.tensor(probs).log().expand(size, -1), torch.zeros(size)


def test_wrong_answers_lose_nothing(digits_store, tmp_path):
    job = digits_store.parent / "labels.toml"
    teacher = torch.jit.load(str(job.parent / "teacher.pt")).eval()
    wrong = [
        (lambda batch: torch.zeros(len(batch) - 1, 10), "expected answers for"),
        (lambda batch: torch.full((len(batch), 10), float("nan")), "nan"),
        (lambda batch: torch.zeros(len(batch), 11), "not rows of 10 classes"),
        (lambda batch: answers(batch, [[3, 3]], [[0.5, 0.5]]), "twice"),
        (lambda batch: answers(batch, [[3, 4]], [[0.5, 0.6]]), "sum to 1.1"),
        (lambda batch: answers(batch, [[3, 10]], [[0.5, 0.5]]), "10"),
    ]
    with torch.no_grad(), decant.Labeller(tmp_path / "labels.decant", job, num_classes=10) as labeller:
        for span in labeller.spans():
            for batch in span:
                while wrong:
                    answer, text = wrong.pop()
                    with pytest.raises(decant.InvalidArgumentError, match=text):
                        batch.put(answer(batch))
                batch.put(teacher(batch.inputs))
    assert decant.open(tmp_path / "labels.decant").digest == decant.open(digits_store).digest


def test_bad_requests_are_one_clear_error(digits_store, tmp_path):
    job = digits_store.parent / "labels.toml"
    with pytest.raises(decant.MismatchError, match="seed: expected 3, found 4"):
        decant.Labeller(digits_store, other_job(job, tmp_path, "seed = 3", "seed = 4"), num_classes=10)
    with pytest.raises(decant.InvalidArgumentError, match="teacher is missing"):
        decant.Labeller(tmp_path / "x.decant", {"labels": {"k": 3}}, num_classes=10)
    with pytest.raises(decant.InvalidArgumentError, match="unknown key 'labels.kk'; did you mean 'labels.k'"):
        decant.Labeller(tmp_path / "x.decant", {"labels": {"kk": 3}}, num_classes=10, teacher="x")
    with pytest.raises(decant.NotFoundError):
        decant.Labeller(tmp_path / "x.decant", tmp_path / "none.toml", num_classes=10, teacher="x")
    with decant.Labeller(tmp_path / "y.decant", job, num_classes=10) as labeller:
        with pytest.raises(decant.InvalidArgumentError, match="put.. is missing"):
            for span in labeller.spans():
                for batch in span:
                    pass


def other_job(job, folder, old, new):
    path = folder / "other.toml"
    (folder / "teacher.pt").write_bytes((job.parent / "teacher.pt").read_bytes())
    path.write_text(job.read_text().replace(old, new))
    return path


def test_killed_at_random_beside_produce_one_digest(digits_store, tmp_path):
    """4 processes, killed 20 times, and half of the time a `decant produce` on the same job."""
    job = other_job(digits_store.parent / "labels.toml", tmp_path, "span_chunks = 3", "span_chunks = 1")
    run("produce", job, f"--labels.store={tmp_path / 'undisturbed.decant'}")
    wanted = decant.open(tmp_path / "undisturbed.decant").digest
    seed = int(os.environ.get("SEED", time.time()))
    print("SEED", seed)
    generator = random.Random(seed)
    kills, stores = 0, 0
    while kills < 20:
        stores += 1
        store = tmp_path / f"labels{stores}.decant"
        produce = None
        workers = []
        deadline = time.monotonic() + 120
        while not os.path.exists(store / "seal"):
            assert time.monotonic() < deadline, "no progress"
            workers = [worker for worker in workers if worker.poll() is None or not ended_well(worker)]
            while len(workers) < 4:
                workers.append(start_worker(store, job, pause=0.02))
            if stores % 2 and (produce is None or produce.poll() is not None) and (store / "db").exists():
                produce = start_produce(store, job)
            time.sleep(generator.uniform(0.3, 1.5))
            if kills < 20:
                victim = generator.choice(workers + ([produce] if produce else []))
                if victim.poll() is None:
                    victim.send_signal(signal.SIGKILL)
                    kills += 1
        for process in workers + ([produce] if produce else []):
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        run("verify", store)
        assert decant.open(store).digest == wanted


def ended_well(worker):
    """Killed, or complete; anything else fails the test."""
    assert worker.returncode in (0, -signal.SIGKILL), worker.stderr.read()
    return True


TOKEN_TEACHER = """
import sys, torch

class Teacher(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.table = torch.nn.Parameter(torch.randn(50, 50, generator=torch.Generator().manual_seed(3)))

    def forward(self, tokens):
        return self.table[tokens]

torch.jit.trace(Teacher(), torch.zeros(2, 12, dtype=torch.int64)).save(sys.argv[1])
"""

TOKEN_JOB = """
[data]
path = "tokens.npy"
kind = "tokens"
window = 12

[views]
{views}

[teacher]
path = "teacher.pt"
batch_size = 8

[labels]
store = "labels.decant"
k = 5
epochs = 2
chunk_size = 20
span_chunks = 2
calibration_labels = 16
{labels}
"""


@pytest.mark.parametrize("views", ["", "mask = 0.3\nmask_token = 49"])
@pytest.mark.parametrize("labels", ["true_label = true", 'selection = "sample"'])
def test_windows_of_tokens_are_those_of_produce(tmp_path, views, labels):
    subprocess.run(["/usr/bin/python3", "-c", TOKEN_TEACHER, str(tmp_path / "teacher.pt")], check=True)
    np.save(tmp_path / "tokens.npy", np.random.default_rng(5).integers(0, 49, 12 * 150).astype(np.uint16))
    job = tmp_path / "labels.toml"
    job.write_text(TOKEN_JOB.format(views=views, labels=labels))
    run("produce", job, f"--labels.store={tmp_path / 'produced.decant'}")
    teacher = torch.jit.load(str(tmp_path / "teacher.pt")).eval()
    with torch.no_grad(), decant.Labeller(tmp_path / "labels.decant", job, num_classes=50) as labeller:
        for span in labeller.spans():
            for batch in span:
                assert batch.inputs.shape == (8, 12) and batch.mask.sum() == 12 * len(batch)
                batch.put(teacher(batch.inputs))
    assert decant.open(tmp_path / "labels.decant").digest == decant.open(tmp_path / "produced.decant").digest
