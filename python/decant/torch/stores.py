"""What the loaders ask of one store, or of several that were opened as one."""

import operator
from typing import Any, Dict, List, Optional, Sequence, Tuple

import torch

import decant
from decant.errors import InvalidArgumentError


def schemas_of(store: decant.Store) -> List[Dict[str, Any]]:
    """The schema of each store that was opened."""
    if len(store.paths) == 1:
        return [store.schema]
    return [decant.open(path).schema for path in store.paths]


def label_width(store: decant.Store) -> int:
    """The most entries that a label of the store can have: averages list what any of the teachers lists."""
    entries = [schema["labels"]["k"] for schema in schemas_of(store)]
    # Epochs of several stores are as wide as the widest, averages as all together; there are never more than classes.
    are_averaged = store._arguments[1] == "teachers"
    return min(sum(entries) if are_averaged else max(entries), store.num_classes)


def checked_epochs(store: decant.Store, epochs: Sequence[int]) -> List[int]:
    """The store's epochs that training reads in turn; all by default.

    Raises:
        InvalidArgumentError: It is no list, or the store has no such epoch.
    """
    if isinstance(epochs, int):
        raise InvalidArgumentError(f"epochs is {epochs}; expected a list of the store's epochs: [{epochs}]")
    chosen = [operator.index(epoch) for epoch in epochs] or list(range(store.num_epochs))
    for epoch in chosen:
        if not 0 <= epoch < store.num_epochs:
            raise InvalidArgumentError(f"{store.paths[0]}: epoch {epoch}, but there are {store.num_epochs}")
    return chosen


def data_parallel_group(rank: Optional[int], world_size: Optional[int]) -> Tuple[int, int]:
    """(rank, world size) of the processes that share each batch: as given, else torch.distributed's, else (0, 1).

    The environment's RANK and WORLD_SIZE are not read: they may count tensor-parallel processes, which need the same
    samples. With such groups, give the data-parallel rank and size.

    Raises:
        InvalidArgumentError: Only one of them is given, or the rank is not below the size.
    """
    if rank is None and world_size is None:
        distributed = torch.distributed
        if distributed.is_available() and distributed.is_initialized():
            return distributed.get_rank(), distributed.get_world_size()
        return 0, 1
    if rank is None or world_size is None or not 0 <= rank < world_size:
        raise InvalidArgumentError(
            f"rank {rank} of world_size {world_size}; expected both, of the data-parallel group, or neither"
        )
    return rank, world_size
