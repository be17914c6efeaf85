"""Where training stands in a store's epochs: one number each for the epoch and the place in its order."""

from typing import Any, Dict, List, Sequence

import torch

import decant
from decant.errors import InvalidArgumentError, MismatchError
from decant.torch.stores import checked_epochs


class SharedIntegers:
    """int64 [n] that a process and its DataLoader workers see alike, however these are started."""

    def __init__(self, *values: int) -> None:
        self._values = torch.tensor(values, dtype=torch.int64).share_memory_()

    def __setstate__(self, state: Dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._values.share_memory_()  # a plain pickle makes a copy, which is then shared with that process's workers

    def __getitem__(self, index: int) -> int:
        return int(self._values[index])

    def __setitem__(self, index: int, value: int) -> None:
        self._values[index] = value


class Progress:
    """The training epoch, the store's epoch that it reads, and where in it the next iteration begins.

    Training epoch e reads epochs[e mod n]. A state is {schema_digest, epoch, store_epoch, position}: all global batches
    before `position` of the epoch are done, whatever the number of ranks and workers.
    """

    _EPOCH, _START, _IS_LOADED, _READS_IN_WORKERS = range(4)

    def __init__(self, store: decant.Store, epochs: Sequence[int], batch_size: int, last_batch: str) -> None:
        self.epochs: List[int] = checked_epochs(store, epochs)
        self.num_samples = len(store)
        self.batch_size = batch_size
        self.last_batch = last_batch
        self._path = store.paths[0]
        self._digest = store._native.set_digest
        self._shared = SharedIntegers(0, 0, 0, 0)
        if last_batch not in ("short", "drop", "pad"):
            raise InvalidArgumentError(f'last_batch is {last_batch!r}; expected "short", "drop" or "pad"')
        if batch_size < 1 or self.num_batches() == 0:
            raise InvalidArgumentError(f"global batches of {batch_size} samples, of which an epoch has {len(store)}")

    @property
    def epoch(self) -> int:
        return self._shared[self._EPOCH]

    @property
    def store_epoch(self) -> int:
        return self.store_epoch_of(self.epoch)

    @property
    def start(self) -> int:
        """The position of the first batch of the next iteration."""
        return self._shared[self._START]

    @property
    def reads_in_workers(self) -> bool:
        """Whether the last iteration that began did so in a DataLoader worker."""
        return bool(self._shared[self._READS_IN_WORKERS])

    @reads_in_workers.setter
    def reads_in_workers(self, value: bool) -> None:
        self._shared[self._READS_IN_WORKERS] = int(value)

    def store_epoch_of(self, epoch: int) -> int:
        return self.epochs[epoch % len(self.epochs)]

    def num_batches(self, start: int = 0) -> int:
        """Global batches of an epoch from a position on."""
        left = self.num_samples - start
        return left // self.batch_size if self.last_batch == "drop" else -(-left // self.batch_size)

    def set_epoch(self, epoch: int) -> None:
        if epoch < 0:
            raise InvalidArgumentError(f"there is no epoch {epoch}")
        if not (self._shared[self._IS_LOADED] and epoch == self.epoch):
            self._shared[self._EPOCH], self._shared[self._START] = epoch, 0
        self._shared[self._IS_LOADED] = 0

    def state(self, epoch: int, position: int) -> Dict[str, Any]:
        return {
            "schema_digest": self._digest,
            "epoch": epoch,
            "store_epoch": self.store_epoch_of(epoch),
            "position": min(position, self.num_samples),
        }

    def check(self, state: Dict[str, Any]) -> None:
        """Raises InvalidArgumentError for what is no state, MismatchError for one of another store or other epochs."""
        numbers = [state.get(key) for key in ("epoch", "store_epoch", "position")]
        if not all(isinstance(number, int) and number >= 0 for number in numbers) or "schema_digest" not in state:
            raise InvalidArgumentError(f"this is not the state of a reader of labels: {state}")
        epoch, store_epoch, position = numbers
        if state["schema_digest"] != self._digest:
            raise MismatchError(
                f"{self._path}: the state belongs to another store: schema digest expected {self._digest}, found "
                f"{state['schema_digest']}"
            )
        if position > self.num_samples:
            raise InvalidArgumentError(f"{self._path}: a state at position {position} of {self.num_samples}")
        if store_epoch != self.store_epoch_of(epoch):
            raise MismatchError(
                f"{self._path}: the state is in epoch {store_epoch} of the store, but training epoch {epoch} reads "
                f"{self.store_epoch_of(epoch)}: give the same epochs"
            )

    def load(self, state: Dict[str, Any]) -> None:
        """The next iteration begins where the state is: in the next epoch, when it was at the end of one."""
        self.check(state)
        epoch, start = state["epoch"], state["position"]
        if self.num_batches(start) == 0:
            epoch, start = epoch + 1, 0
        self._shared[self._EPOCH], self._shared[self._START], self._shared[self._IS_LOADED] = epoch, start, 1


def check_parts(progress: Progress, world_size: int, unit: int = 1) -> None:
    """Every rank must get samples of every batch: of the last one, too.

    Raises:
        InvalidArgumentError: One would not; names what to change.
    """
    size = progress.batch_size
    if size < world_size * unit:
        raise InvalidArgumentError(
            f"global batches of {size} samples for {world_size} ranks; expected at least {unit} for each"
        )
    last = (progress.num_samples - progress.start) % size
    if progress.last_batch == "short" and 0 < last and -(-last // unit) < world_size:
        raise InvalidArgumentError(
            f"the last batch has {last} samples for {world_size} ranks, some of which would get none: "
            'last_batch="drop" leaves it out, "pad" fills it up'
        )
