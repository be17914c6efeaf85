"""External views: the user's own random transform, made a function of (seed, epoch, sample id).

`random`, NumPy's global generator and PyTorch's of the CPU are seeded around each item. A transform that draws from
other generators is not reproduced; its labels do not fit what a student sees.
"""

import contextlib
import hashlib
import platform
import random
import struct
import sys
from importlib import metadata
from typing import Any, Dict, Iterable, Iterator, Optional, Set, Tuple

import numpy as np
import torch

from decant import _decant
from decant.torch.identity import dataset_identity, without_addresses
from decant.torch.numpy_state import put_back_numpy_state, take_numpy_state

__all__ = ["dataset_identity", "describe_views", "mixes", "render_external"]


def render_external(dataset: Any, sample_id: int, *, seed: int, epoch: int) -> Tuple[Any, int]:
    """One item of a dataset under the generators of its view, which are put back afterwards.

    Args:
        dataset: Anything with `dataset[sample_id]`.
        seed, epoch: The schema's seed, and the epoch of the store that has it.

    Returns:
        The item, and its fingerprint, 0 to 0xfffe: a hash of what each generator draws next. It tells a transform that
        drew otherwise from the teacher's, not one that did something else with equal draws.
    """
    with kept_generators():
        return render_seeded(dataset, sample_id, seed=seed, epoch=epoch)


@contextlib.contextmanager
def kept_generators() -> Iterator[None]:
    """Puts `random`, NumPy's and PyTorch's generators back afterwards: once for many items, which costs less."""
    states = random.getstate(), take_numpy_state(), torch.default_generator.get_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        put_back_numpy_state(states[1])
        torch.default_generator.set_state(states[2])


def render_seeded(dataset: Any, sample_id: int, *, seed: int, epoch: int) -> Tuple[Any, int]:
    """`render_external` that leaves the generators as they are then."""
    key = _decant.external_view_key(seed, epoch, sample_id)
    random.seed(key)
    np.random.seed(key & 0xFFFFFFFF)  # of 64 bits it takes ten times as long
    torch.default_generator.manual_seed(key & 0x7FFFFFFFFFFFFFFF)
    item = dataset[sample_id]
    return item, _fingerprint()


def _fingerprint() -> int:
    draws = (
        random.getrandbits(32),
        np.random.random_sample(),
        int(torch.randint(1 << 32, (), dtype=torch.int64)),
    )
    digest = hashlib.sha256(struct.pack("<QdQ", *draws)).digest()
    return min(int.from_bytes(digest[:2], "little"), 0xFFFE)  # 0xffff stands for none


def mixes(views: Dict[str, Any]) -> bool:
    """Whether a schema's views are mixed."""
    return views.get("mixup", 0) > 0 or views.get("cutmix", 0) > 0


def describe_views(dataset: Any, extra: Optional[str] = None) -> str:
    """What the labels of external views hold for: the transform in words, and the versions that its pixels hang on.

    The transform is the dataset's `transform` or `transforms`, of a Subset its dataset's; its repr should show every
    setting. Without one, the dataset's type stands for it. The versions are those of Python, NumPy, PyTorch, Pillow if
    it is there, and of the packages that the transform is made of.

    Args:
        extra: What else must be the same.
    """
    transform = _transform_of(dataset)
    if transform is None:
        text = f"{type(dataset).__module__}.{type(dataset).__qualname__}"
    else:
        text = without_addresses(repr(transform))
    versions = {"python": ".".join(platform.python_version_tuple()[:2])}
    for package in sorted({"numpy", "torch", "PIL"} | _packages_of(transform)):
        version = _version_of(package)
        if version:
            versions[package] = version
    lines = [text, ", ".join(f"{name} {version}" for name, version in versions.items())]
    return "\n".join(lines + ([extra] if extra else []))


def _transform_of(dataset: Any) -> Any:
    while dataset is not None:
        for name in ("transform", "transforms"):
            if getattr(dataset, name, None) is not None:
                return getattr(dataset, name)
        dataset = getattr(dataset, "dataset", None)
    return None


def _packages_of(transform: Any) -> Set[str]:
    """The top-level packages of the objects that a transform consists of."""
    packages: Set[str] = set()
    seen: Set[int] = set()
    todo = [transform]
    while todo:
        one = todo.pop()
        if id(one) in seen or isinstance(one, (str, bytes, torch.Tensor, np.ndarray)):
            continue
        seen.add(id(one))
        if isinstance(one, dict):
            todo.extend(one.values())
        elif isinstance(one, (list, tuple, set)):
            todo.extend(one)
        else:
            owner = one if hasattr(one, "__qualname__") else type(one)
            packages.add(str(owner.__module__).partition(".")[0])
            todo.extend(_parts_of(one))
    return packages


def _parts_of(one: Any) -> Iterable[Any]:
    if isinstance(one, type) or not hasattr(one, "__dict__"):
        return ()
    of_partial = [getattr(one, name) for name in ("func", "args", "keywords") if hasattr(one, name)]
    return [*vars(one).values(), *of_partial]


def _version_of(package: str) -> Optional[str]:
    """Without what follows a "+": how it was built."""
    version = getattr(sys.modules.get(package), "__version__", None)
    try:
        version = version or metadata.version("pillow" if package == "PIL" else package)
    except metadata.PackageNotFoundError:
        return None
    return str(version).partition("+")[0]
