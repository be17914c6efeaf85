"""What the benchmarks read: stores of made-up labels, and the same labels as TinyViT keeps them."""

import json
import os
import time
from typing import Any, Dict, List, NamedTuple, Tuple

import numpy as np

from decant import _decant
from decant.labeller import job_overrides, provenance

# So many labels differ; they come again and again.
_CYCLE = 16384


class Row(NamedTuple):
    """A measurement: rates of ours and of the reference, and the median of the rounds' ratios (above 1: ours is better)."""

    setting: str
    unit: str
    rate: float
    reference: str
    reference_rate: float
    ratio: float


def make_labels(num_classes: int, k: int) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """ids int64 [n, k], ascending; log_probs float32 [n, k]; tail float32 [n]: the listed have about 0.9."""
    generator = np.random.default_rng(1)
    width = num_classes // k
    ids = generator.integers(0, width, (_CYCLE, k)) + np.arange(k) * width
    log_probs = np.log(generator.dirichlet(np.full(k, 0.3), _CYCLE) * 0.9 + 1e-7).astype(np.float32)
    return ids, log_probs, (1 - np.exp(log_probs.astype(np.float64)).sum(1)).clip(0).astype(np.float32)


def make_store(path: str, num_labels: int, num_classes: int, k: int) -> None:
    """A store of one epoch, of samples as they are."""
    ids, log_probs, tail = make_labels(num_classes, k)
    labels = {"k": k, "view_fingerprints": False, "calibration_labels": 4096, "span_chunks": 256}
    labeller = _decant.Labeller(
        job_path="",
        overrides=job_overrides({"labels": labels}) + [f"--labels.store={path}"],
        dataset=json.dumps({"kind": "python", "num_samples": num_labels}),
        num_samples=num_labels,
        description="",
        windows=False,
        teacher=json.dumps({"kind": "python", "name": "made up"}),
        num_classes=num_classes,
        provenance=json.dumps(provenance()),
        lease_seconds=30,
        scratch="",
    )
    none: Dict[str, Any] = {
        "view_fingerprints": np.empty(0, np.uint16),
        "window_sizes": np.empty(0, np.uint32),
        "window_hashes": np.empty(0, np.uint64),
    }
    while not labeller.is_complete:
        span = labeller.claim()
        if span is None:
            time.sleep(0.01)
            continue
        remaining = len(span.positions)
        while remaining > 0:
            count = min(remaining, _CYCLE)
            span.put_labels(ids[:count], log_probs[:count], tail[:count], **none)
            remaining -= count
        span.commit()
        del span
    labeller.close()


def sample_key(number: int) -> str:
    return f"n{10**7 + 37 * number % 9973:08d}_{number}"


def make_records(folder: str, num_labels: int, num_classes: int, k: int) -> None:
    """The labels of one epoch as TinyViT's records (Wu et al., ECCV 2022), 4 + 4k bytes each: seed int32, ids int16 [k],
    probabilities float16 [k], one after the other in values.bin; a line for the key of each in keys.txt."""
    ids, log_probs, _ = make_labels(num_classes, k)
    records = np.empty((_CYCLE, 4 + 4 * k), np.uint8)
    records[:, :4] = np.arange(_CYCLE, dtype=np.int32).view(np.uint8).reshape(-1, 4)
    records[:, 4 : 4 + 2 * k] = ids.astype(np.int16).view(np.uint8)
    records[:, 4 + 2 * k :] = np.exp(log_probs).astype(np.float16).view(np.uint8)
    with open(os.path.join(folder, "values.bin"), "wb") as values, open(os.path.join(folder, "keys.txt"), "w") as keys:
        for begin in range(0, num_labels, _CYCLE):
            count = min(_CYCLE, num_labels - begin)
            values.write(records[:count].tobytes())
            keys.writelines(sample_key(number) + "\n" for number in range(begin, begin + count))


class RecordReader:
    """Reads TinyViT's records one at a time, as its training loop does: a dict of all keys, a seek and a read."""

    def __init__(self, folder: str, k: int) -> None:
        self._k = k
        self._size = 4 + 4 * k
        with open(os.path.join(folder, "keys.txt")) as keys:
            self._offsets = {key.rstrip("\n"): self._size * number for number, key in enumerate(keys)}
        self._file = open(os.path.join(folder, "values.bin"), "rb")

    def __len__(self) -> int:
        return len(self._offsets)

    def get(self, key: str) -> Tuple[np.ndarray, np.ndarray]:
        """ids int16 [k], probabilities float16 [k], as they lie there."""
        self._file.seek(self._offsets[key])
        record = self._file.read(self._size)
        return np.frombuffer(record, np.int16, self._k, 4), np.frombuffer(record, np.float16, self._k, 4 + 2 * self._k)

    def get_converted(self, key: str) -> Tuple[np.ndarray, np.ndarray]:
        """ids int64 [k], probabilities float32 [k]."""
        ids, probs = self.get(key)
        return ids.astype(np.int64), probs.astype(np.float32)

    def batches(self, batch_size: int) -> Any:
        """All records in the file's order: ids int16 [n, k], probabilities float16 [n, k], as they lie there."""
        self._file.seek(0)
        while True:
            content = self._file.read(batch_size * self._size)
            if not content:
                return
            rows = np.frombuffer(content, np.uint8).reshape(-1, self._size)
            yield rows[:, 4 : 4 + 2 * self._k].view(np.int16), rows[:, 4 + 2 * self._k :].view(np.float16)


def median(values: List[float]) -> float:
    return float(np.median(values))
