"""Reading labels: whole epochs, single samples, batches of samples, and what a process does until its first batch."""

import os
import subprocess
import sys
import time
from typing import Any, Callable, Dict, Iterator, List

import numpy as np

import decant
from decant.bench.inputs import RecordReader, Row, make_records, make_store, median, sample_key

_BATCH = 1024
_CACHE_BYTES = 1 << 28  # for random reads: all chunks of 10^6 labels, as the reference has all records in the page cache
_CLASSES = 21841
_MOST_KEYS = 10_000_000  # which a process holds in 1.5 GB
_RECORDS = "TinyViT's records, as they are"
_CONVERTED = "TinyViT's records, converted"


def stream(folder: str, num_labels: int, k: int, rounds: int) -> Iterator[Row]:
    """An epoch in the store's order, in batches of 1,024, by processor time of all threads.

    `stream`: arrays of the entries as the batch has them (uint32 ids, float32 log_probs), against views of the records
    (int16, float16). `stream_..._padded`: int64 [n, k] and float32 [n, k] copies of both.
    """
    store, reader = _inputs(folder, num_labels, _CLASSES, k)

    def ours() -> int:
        return sum(len(batch.labels.tail) for batch in store.stream(_BATCH) if len(batch.labels.log_probs))

    def records() -> int:
        return sum(len(ids) for ids, _ in reader.batches(_BATCH))

    def ours_padded() -> int:
        return sum(len(batch.labels.padded(k)[0]) for batch in store.stream(_BATCH))

    def converted() -> int:
        return sum(len(ids.astype(np.int64)) + 0 * len(p.astype(np.float32)) for ids, p in reader.batches(_BATCH))

    unit = "labels/s and core"
    yield _compare(f"stream_k{k}", unit, ours, _RECORDS, records, rounds, time.process_time)
    yield _compare(f"stream_k{k}_padded", unit, ours_padded, _CONVERTED, converted, rounds, time.process_time)


def random_one(folder: str, num_labels: int, rounds: int) -> Iterator[Row]:
    """Samples in random order, one a call; ids uint32 and log_probs float32. `..._default_cache`: with 32 MiB."""
    small, reader = _inputs(folder, num_labels, _CLASSES, 100)
    store = decant.open(small.paths[0], cache_bytes=_CACHE_BYTES)
    chosen = np.random.default_rng(2).integers(0, num_labels, 20000).tolist()
    keys = [sample_key(number) for number in chosen]

    def read(opened: decant.Store) -> int:
        for sample_id in chosen:
            opened.labels(0, sample_id)
        return len(chosen)

    def ours() -> int:
        return read(store)

    def records() -> int:
        return _each(reader.get, keys)

    yield _compare("random_one", "labels/s", ours, _RECORDS, records, rounds)
    yield _compare("random_one_converted", "labels/s", ours, _CONVERTED, lambda: _each(reader.get_converted, keys), rounds)
    yield _compare("random_one_default_cache", "labels/s", lambda: read(small), _RECORDS, records, rounds)


def random_batch(folder: str, num_labels: int, rounds: int) -> Iterator[Row]:
    """Samples in random order, 1,024 a call; `..._converted`: padded to int64 and float32 arrays of the batch."""
    small, reader = _inputs(folder, num_labels, _CLASSES, 100)
    store = decant.open(small.paths[0], cache_bytes=_CACHE_BYTES)
    batches = np.random.default_rng(3).integers(0, num_labels, (40, _BATCH))
    keys = [[sample_key(number) for number in batch] for batch in batches.tolist()]

    def read(opened: decant.Store) -> int:
        return sum(len(opened.labels_of(0, batch).tail) for batch in batches)

    def ours() -> int:
        return read(store)

    def ours_padded() -> int:
        return sum(len(store.labels_of(0, batch).padded(100)[0]) for batch in batches)

    def records() -> int:
        return sum(_each(reader.get, batch) for batch in keys)

    def converted() -> int:
        for batch in keys:
            pairs = [reader.get(key) for key in batch]
            np.stack([ids for ids, _ in pairs]).astype(np.int64)
            np.stack([probs for _, probs in pairs]).astype(np.float32)
        return len(keys) * _BATCH

    yield _compare("random_batch", "labels/s", ours, _RECORDS, records, rounds)
    yield _compare("random_batch_converted", "labels/s", ours_padded, _CONVERTED, converted, rounds)
    yield _compare("random_batch_default_cache", "labels/s", lambda: read(small), _RECORDS, records, rounds)


def open_first(folder: str, num_labels: int, rounds: int) -> Iterator[Row]:
    """Seconds of a fresh process: import, open, first batch of 1,024 (C = 1,000, k = 10). The reference reads the keys, of
    10,000,000 labels at most."""
    path, records = os.path.join(folder, "open.decant"), os.path.join(folder, "open.records")
    make_store(path, num_labels, 1000, 10)
    os.mkdir(records)
    num_records = min(num_labels, _MOST_KEYS)
    make_records(records, num_records, 1000, 10)
    ours = "import sys, decant; next(iter(decant.open(sys.argv[1]).stream(1024)))"
    theirs = (
        "import sys; from decant.bench.inputs import RecordReader; next(RecordReader(sys.argv[1], 10).batches(1024))"
    )
    seconds: Dict[str, List[float]] = {path: [], records: []}
    for _ in range(min(rounds, 3)):
        for code, argument in ((ours, path), (theirs, records)):
            begin = time.perf_counter()
            subprocess.run([sys.executable, "-c", code, argument], check=True)
            seconds[argument].append(time.perf_counter() - begin)
    ratio = median([b / a for a, b in zip(seconds[path], seconds[records])])
    reference = f"TinyViT's keys of {num_records:,} labels, first records"
    yield Row("open", "s", median(seconds[path]), reference, median(seconds[records]), ratio)


def _inputs(folder: str, num_labels: int, num_classes: int, k: int) -> Any:
    path, records = os.path.join(folder, f"k{k}.decant"), os.path.join(folder, f"k{k}.records")
    if not os.path.exists(path):
        make_store(path, num_labels, num_classes, k)
        os.mkdir(records)
        make_records(records, num_labels, num_classes, k)
    return decant.open(path), RecordReader(records, k)


def _each(get: Callable[[str], Any], keys: List[str]) -> int:
    for key in keys:
        get(key)
    return len(keys)


# Rounds in turn, after one that does not count.
def _compare(
    setting: str,
    unit: str,
    ours: Callable[[], int],
    reference: str,
    theirs: Callable[[], int],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> Row:
    rates: List[List[float]] = [[], []]
    for number in range(rounds + 1):
        for run, found in zip((ours, theirs), rates):
            begin = clock()
            count = run()
            if number > 0:
                found.append(count / (clock() - begin))
    ratio = median([a / b for a, b in zip(*rates)])
    return Row(setting, unit, median(rates[0]), reference, median(rates[1]), ratio)
