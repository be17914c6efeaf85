"""Soft labels as tensors."""

from typing import Any, NamedTuple, Tuple, Union

import numpy as np
import torch

from decant import Labels

# A tensor that a DataLoader worker sends is handed over by a thread of the worker that must first get hold of the
# interpreter, some milliseconds a tensor. Up to so many bytes are sent by value.
_MOST_BYTES_BY_VALUE = 1 << 20


def reduce_small(parts: Any) -> Tuple[Any, ...]:
    """What `__reduce__` of a named tuple returns, so that its small tensors are pickled as arrays."""

    def by_value(part: Any) -> bool:
        return isinstance(part, torch.Tensor) and part.device.type == "cpu" and not part.requires_grad

    size = sum(part.numel() * part.element_size() for part in parts if isinstance(part, torch.Tensor))
    if size > _MOST_BYTES_BY_VALUE:
        return type(parts), tuple(parts)
    return _rebuild, (type(parts), *(part.numpy() if by_value(part) else part for part in parts))


def _rebuild(kind: Any, *parts: Any) -> Any:
    return kind(*(torch.from_numpy(part) if isinstance(part, np.ndarray) else part for part in parts))


class SoftLabels(NamedTuple):
    """The sparse labels of n samples (or of n labelled tokens); without the first dimension, the label of one.

    A tuple of tensors, so that `default_collate`, pinning and moving to a device treat it as one.

    Attributes:
        ids: int64 [n, k], the listed classes, ascending; 0 for padding.
        log_probs: float32 [n, k], natural logarithms of their probabilities; -inf for padding.
        tail: float32 [n], the probability of all classes that are not listed.
    """

    ids: torch.Tensor
    log_probs: torch.Tensor
    tail: torch.Tensor

    def __reduce__(self) -> Tuple[Any, ...]:
        return reduce_small(self)

    def to(self, device: Union[torch.device, str, int], non_blocking: bool = False) -> "SoftLabels":
        """The labels on a device."""
        return SoftLabels(*(part.to(device, non_blocking=non_blocking) for part in self))


def soft_labels(labels: Labels, k: int) -> SoftLabels:
    """What was read from a store as tensors: ids int64 [n, k], log_probs float32 [n, k], tail float32 [n].

    Raises:
        InvalidArgumentError: A label has more than k entries.
    """
    ids, log_probs = labels.padded(k)
    return SoftLabels(torch.from_numpy(ids), torch.from_numpy(log_probs), torch.tensor(labels.tail))


def int64_tensor(values: Any) -> torch.Tensor:
    """Of a NumPy array of integers, of any type: a copy."""
    return torch.from_numpy(values.astype("int64"))
