"""A DataLoader over JPEG files with labels and without, and what a store adds to the memory of a worker."""

import json
import os
import random
import subprocess
import sys
import time
from typing import Any, Iterator, List, Tuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

import decant
from decant.bench.inputs import Row, make_store, median
from decant.torch import LabelledDataset, PositionSampler

_NUM_FILES = 256
_SIZE = (500, 375)  # the commonest of ImageNet
_BATCH = 64


class Photos(Dataset):
    """JPEG files, again and again: a random crop of 224 x 224, flipped, normalised, and a class."""

    def __init__(self, folder: str, num_samples: int) -> None:
        self._paths = [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
        self._num_samples = num_samples

    def __len__(self) -> int:
        return self._num_samples

    def __getitem__(self, index: int) -> Tuple[torch.Tensor, int]:
        from PIL import Image

        image = Image.open(self._paths[index % len(self._paths)]).convert("RGB")
        width, height = image.size
        scale = random.uniform(0.35, 1) ** 0.5
        crop = int(width * scale), int(height * scale)
        left, top = random.randint(0, width - crop[0]), random.randint(0, height - crop[1])
        image = image.resize((224, 224), Image.BILINEAR, (left, top, left + crop[0], top + crop[1]))
        if random.random() < 0.5:
            image = image.transpose(Image.FLIP_LEFT_RIGHT)
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).float()
        return pixels.div_(255).sub_(0.45).div_(0.225), index % 1000


def loader(folder: str, rounds: int) -> Iterator[Row]:
    """Epochs of a DataLoader with 2 workers: over the dataset with its labels, against the dataset alone.

    `loader`: labels of samples as they are; `loader_external`: each item is rendered as the teacher saw it, and its
    fingerprint compared.

    In a process of its own, whose malloc() keeps its memory: else it is chance whether it gives a batch's memory back after
    each batch, which makes either of the two a third slower.
    """
    command = [sys.executable, "-m", "decant.bench.loading", folder, str(rounds)]
    environment = {**os.environ, "MALLOC_TOP_PAD_": str(1 << 26)}
    output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout
    for row in json.loads(output):
        yield Row(**row)


def _measure_loaders(folder: str, rounds: int, num_samples: int = 1024) -> Iterator[Row]:
    photos = os.path.join(folder, "photos")
    _make_photos(photos)
    dataset = Photos(photos, num_samples)
    plain = os.path.join(folder, "photos.decant")
    make_store(plain, num_samples, 1000, 10)
    external = os.path.join(folder, "external.decant")
    _label(external, dataset)
    for name, path in (("loader", plain), ("loader_external", external)):
        store = decant.open(path)
        yield _compare(name, dataset, LabelledDataset(dataset, store, names=_names(dataset)), PositionSampler(store, _BATCH), rounds)


def worker_memory(folder: str, num_labels: int) -> Iterator[Row]:
    """MiB that reading labels adds to a process: a whole epoch of a stream, and as many labels in random order, against
    32 MiB, the default of decant.open(cache_bytes=)."""
    path = os.path.join(folder, "memory.decant")
    make_store(path, num_labels, 21841, 100)
    stream = "for batch in LabelStream(store, 1024): pass"
    at_random = (
        "import numpy as np\n"
        "for ids in np.random.default_rng(0).integers(0, len(store), (200, 256)): store.labels_of(0, ids)"
    )
    for name, code in (("worker_memory_stream", stream), ("worker_memory_random", at_random)):
        found = float(subprocess.run([sys.executable, "-c", _MEMORY, path, code], check=True, stdout=subprocess.PIPE).stdout)
        yield Row(name, "MiB", found, "the cache's capacity", 32, 32 / found)


_MEMORY = """
import sys
import torch, decant
from decant.torch import LabelStream

def resident():
    with open("/proc/self/status") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("RssAnon")) / 1024

before = resident()
store = decant.open(sys.argv[1])
exec(sys.argv[2])
print(resident() - before)
"""


def _make_photos(folder: str) -> None:
    from PIL import Image

    os.mkdir(folder)
    generator = np.random.default_rng(4)
    for number in range(_NUM_FILES):
        # Noise of all scales: as hard to compress as photographs are.
        pixels = np.full((*_SIZE[::-1], 3), 127.0)
        for step in (125, 25, 5, 1):
            noise = generator.normal(0, 8 * step**0.5, (_SIZE[1] // step, _SIZE[0] // step, 3))
            pixels += noise.repeat(step, 0).repeat(step, 1)
        image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
        image.save(os.path.join(folder, f"{number:04}.jpg"), quality=75)


def _label(path: str, dataset: Photos) -> None:
    job = {"labels": {"calibration_labels": 0}}
    with decant.Labeller(
        path, job, num_classes=1000, teacher="made up", dataset=dataset, names=_names(dataset), num_workers=2
    ) as labeller:
        for span in labeller.spans():
            for batch in span:
                batch.put(torch.zeros(len(batch), 1000))


def _names(dataset: Photos) -> List[str]:
    return [str(number) for number in range(len(dataset))]


def _epoch(loader: DataLoader) -> float:
    begin = time.perf_counter()
    count = sum(len(batch) for batch in loader)
    assert count > 0
    return time.perf_counter() - begin


def _compare(name: str, dataset: Any, labelled: LabelledDataset, sampler: PositionSampler, rounds: int) -> Row:
    options = {"batch_sampler": sampler, "num_workers": 2, "persistent_workers": True}
    loaders = DataLoader(labelled, **options), DataLoader(dataset, **options)
    seconds: List[List[float]] = [[], []]
    for number in range(rounds + 1):
        for one, found in zip(loaders if number % 2 else loaders[::-1], seconds if number % 2 else seconds[::-1]):
            time_taken = _epoch(one)
            if number > 0:
                found.append(time_taken)
    rates = [len(labelled) / median(found) for found in seconds]
    ratio = median([b / a for a, b in zip(*seconds)])
    return Row(name, "images/s", rates[0], "the same DataLoader without labels", rates[1], ratio)


if __name__ == "__main__":
    print(json.dumps([row._asdict() for row in _measure_loaders(sys.argv[1], int(sys.argv[2]))]))
