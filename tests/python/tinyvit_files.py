"""Writes and compares TinyViT's label files, as its reader and writer define them; needs NumPy alone.

    tinyvit_files.py write FOLDER EPOCHS SAMPLES K CLASSES RANKS [FIRST_EPOCH]
    tinyvit_files.py compare FOLDER OTHER     every record by key, bytes for bytes, in both directions
"""
import pathlib
import sys

import numpy as np


def write(folder, epochs, samples, k, classes, ranks, first_epoch=0):
    keys = [f"n{10**7 + 37 * i % 9973:08d}_{i}" for i in range(samples)]
    for epoch in range(first_epoch, first_epoch + epochs):
        rng = np.random.default_rng(epoch)
        path = pathlib.Path(folder) / f"logits_top{k}_epoch{epoch}"
        path.mkdir(parents=True)
        order = rng.permutation(samples)
        spread = rng.choice([0.2, 4, 30], size=(samples, 1))  # near-uniform with ties, usual, and confident with zeros
        logits = (rng.standard_normal((samples, classes)) * spread).astype(np.float32)
        logits[::7] = np.round(logits[::7])  # ties
        exps = np.exp(logits - logits.max(axis=1, keepdims=True))
        probs = exps / exps.sum(axis=1, keepdims=True)
        top = np.argsort(-probs, axis=1, kind="stable")[:, :k]
        top[1::2] = np.argsort(-probs[1::2, ::-1], axis=1, kind="stable")[:, :k]
        top[1::2] = classes - 1 - top[1::2]  # ties in descending order of the classes
        values = np.take_along_axis(probs, top, axis=1).astype(np.float16)
        seeds = rng.integers(0, 2**31, size=samples).astype(np.int32)
        seeds[0] = -5  # a reader must keep any bits
        records = [seeds[i].tobytes() + top[i].astype(np.int16).tobytes() + values[i].tobytes() for i in range(samples)]
        sums = values.astype(np.float64).sum(axis=1)
        assert (values == 0).any() and (sums > 1).any() and (values[:, 1:] == values[:, :-1]).any()
        for rank in range(ranks):
            mine = list(order[rank::ranks])
            if rank == ranks - 1:
                mine.append(order[0])  # a sampler that pads: rank 0 has this key too
            (path / f"rank{rank}-keys.txt").write_text("".join(keys[i] + "\n" for i in mine))
            (path / f"rank{rank}-values.bin").write_bytes(b"".join(records[i] for i in mine))


def read(folder):
    records = {}
    for path in sorted(pathlib.Path(folder).iterdir()):
        k = int(path.name.split("_")[1].removeprefix("top"))
        for values in sorted(path.glob("*-values.bin")):
            keys = pathlib.Path(str(values).replace("-values.bin", "-keys.txt")).read_text().split("\n")[:-1]
            content, size = values.read_bytes(), 4 + 4 * k
            assert len(content) == size * len(keys), values
            for row, key in enumerate(keys):
                record = content[row * size : (row + 1) * size]
                assert records.setdefault((path.name, key), record) == record
    return records


def compare(folder, other):
    ours, theirs = read(folder), read(other)
    assert ours.keys() == theirs.keys(), "other keys"
    different = [key for key in ours if ours[key] != theirs[key]]
    assert not different, f"{len(different)} of {len(ours)} records differ, first {different[0]}"
    print(f"{len(ours)} records are equal")


if sys.argv[1] == "write":
    write(sys.argv[2], *map(int, sys.argv[3:]))
else:
    compare(sys.argv[2], sys.argv[3])
