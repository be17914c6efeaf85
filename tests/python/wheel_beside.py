"""Imports modules in the order given, then decodes images with the package and with Pillow in one process.

usage: wheel_beside.py MODULE...     of decant, torch, PIL.Image
"""

import importlib
import json
import os
import sys
import tempfile

for name in sys.argv[1:]:
    importlib.import_module(name)

import decant  # noqa: E402
import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

assert f"{os.sep}site-packages{os.sep}" in decant.__file__, decant.__file__  # the wheel's, not the build folder's
os.chdir(tempfile.mkdtemp(prefix="decant-wheel-"))
random = np.random.default_rng(0)
files = [f"photos/train/{kind}/{i}.{ending}" for kind in "ab" for i in range(8) for ending in ("jpg", "png")]
for file in files:
    os.makedirs(os.path.dirname(file), exist_ok=True)
    Image.fromarray(random.integers(0, 256, (24, 32, 3), np.uint8)).save(file)

job = {"data": {"path": "photos", "split": "train"}, "views": {"size": [24, 32], "crop": "squash"}, "teacher": {"batch_size": 16}}
job["labels"] = {"k": 3, "epochs": 1, "chunk_size": 16, "span_chunks": 1, "calibration_labels": 16}
shown = {}
with decant.Labeller("labels.decant", job, teacher="noise", num_classes=10) as labeller:
    for span in labeller.spans():
        for batch in span:
            for position, image in zip(batch.positions.tolist(), batch.images):
                shown[position] = image
            batch.put(random.normal(size=(len(batch), 10)).astype(np.float32))
store = decant.open("labels.decant")
views = decant.Views(store)
for position, image in shown.items():
    sample_id = int(store.sample_ids(0, [position])[0])
    file = "photos/train/" + views.name(sample_id).split("photos/train/")[-1].removeprefix("train/")
    expected = np.asarray(Image.open(file).convert("RGB"))
    assert np.array_equal(image, expected) and np.array_equal(views.render(sample_id, 0), expected), file
assert len(shown) == len(files)

if "torch" in sys.argv:
    import torch

    from decant.torch import LabelStream

    assert torch.ones(64, 64).matmul(torch.ones(64, 64)).sum() == 64**3
    assert sum(len(batch.positions) for batch in LabelStream(store, 8)) == len(files)
    try:
        torch.zeros(2).view(3)
        raise AssertionError("no error")
    except RuntimeError:  # C++ exceptions of each find their handlers
        pass
try:
    decant.open("nowhere")
    raise AssertionError("no error")
except decant.NotFoundError:
    pass
print(json.dumps({"order": sys.argv[1:], "images": len(shown)}))
