"""Which dataset it is, whose samples the labels belong to."""

import hashlib
import os
import re
from typing import Any, Dict, List, Optional, Sequence

import numpy as np
import torch

from decant.errors import InvalidArgumentError

_NUM_PROBES = 32


def dataset_identity(dataset: Any, names: Optional[Sequence[str]] = None) -> Dict[str, Any]:
    """What a schema records of a map-style dataset: {"kind": "python", "num_samples": N, "fingerprint": "sha256:..."}.

    The fingerprint is one of the first of these that is there: `names`; the dataset's `samples` or `imgs`, paths below
    its `root` and their classes (torchvision's ImageFolder); its `data` and `targets` (CIFAR, MNIST); else of up to 32
    items, evenly spread, under fixed seeds. `data` is read whole; items change with the transform, and others are not
    looked at: then give names.

    Args:
        names: str [N], of the samples.

    Raises:
        InvalidArgumentError: The number of names is another one than that of samples.
    """
    num_samples = len(dataset)
    digest = hashlib.sha256()
    listing = _listing(dataset, num_samples)
    if names is not None:
        if len(names) != num_samples:
            raise InvalidArgumentError(f"{len(names)} names for {num_samples} samples")
        _add(digest, [str(name) for name in names])
    elif listing is not None:
        _add(digest, listing)
    elif _has_length(getattr(dataset, "data", None), num_samples):
        _add(digest, [dataset.data, getattr(dataset, "targets", None)])
    else:
        _add(digest, _probes(dataset, num_samples))
    return {"kind": "python", "num_samples": num_samples, "fingerprint": f"sha256:{digest.hexdigest()}"}


def without_addresses(text: str) -> str:
    """A repr that does not differ from process to process."""
    return re.sub(r" at 0x[0-9a-f]+", "", text)


def _has_length(values: Any, num_samples: int) -> bool:
    return hasattr(values, "__len__") and hasattr(values, "__getitem__") and len(values) == num_samples


def _listing(dataset: Any, num_samples: int) -> Optional[List[List[str]]]:
    root = getattr(dataset, "root", None)
    for samples in (getattr(dataset, "samples", None), getattr(dataset, "imgs", None)):
        if not _has_length(samples, num_samples) or not all(map(_begins_with_path, samples)):
            continue
        # With "/", whatever the system; as they are, where the dataset does not say what they are below.
        return [
            [(os.path.relpath(path, root) if root else os.fspath(path)).replace(os.sep, "/"), *map(str, rest)]
            for path, *rest in samples
        ]
    return None


def _begins_with_path(sample: Any) -> bool:
    return isinstance(sample, (tuple, list)) and bool(sample) and isinstance(sample[0], (str, os.PathLike))


def _probes(dataset: Any, num_samples: int) -> List[Any]:
    from decant.torch.external import render_external

    count = min(_NUM_PROBES, num_samples)
    return [render_external(dataset, i * num_samples // count, seed=0, epoch=0)[0] for i in range(count)]


def _add(digest: Any, value: Any) -> None:
    """Adds a value with its type and size, so that no two different ones add the same bytes."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    elif hasattr(value, "__array__") and not isinstance(value, (np.ndarray, np.generic)):
        value = np.asarray(value)  # a Pillow image
    if isinstance(value, (list, tuple)):
        digest.update(b"list %d;" % len(value))
        for part in value:
            _add(digest, part)
    elif isinstance(value, dict):
        _add(digest, sorted((str(key), part) for key, part in value.items()))
    elif isinstance(value, (np.ndarray, np.generic)) and value.dtype != object:
        digest.update(f"array {value.dtype.str} {value.shape};".encode())
        digest.update(np.ascontiguousarray(value).view(np.uint8).reshape(-1).data if value.ndim else value.tobytes())
    else:
        text = "" if isinstance(value, bytes) else without_addresses(str(value))
        content = value if isinstance(value, bytes) else text.encode("utf-8", "surrogateescape")
        digest.update(f"{type(value).__name__} {len(content)};".encode())
        digest.update(content)
