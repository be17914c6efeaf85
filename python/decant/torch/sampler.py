"""The store's order for the user's own DataLoader."""

from typing import Any, Dict, Iterator, List, Optional, Sequence

import numpy as np
from torch.utils.data import Sampler

import decant
from decant import _decant
from decant.errors import InvalidArgumentError
from decant.torch.external import mixes
from decant.torch.progress import Progress, check_parts
from decant.torch.stores import data_parallel_group, schemas_of


class PositionSampler(Sampler[List[int]]):
    """Batches of sample ids in the store's order, in which labels are read fastest: a batch_sampler.

        dataset = LabelledDataset(my_dataset, store)
        sampler = PositionSampler(store, batch_size=1024)
        loader = DataLoader(dataset, batch_sampler=sampler, num_workers=8)
        for epoch in range(90):
            sampler.set_epoch(epoch)
            dataset.set_epoch(epoch)
            for (images, _), labels in loader:
                ...

    Global batch g is the samples at positions [g B, (g + 1) B) of the epoch's order, whatever the number of ranks; each
    gets a part of consecutive positions, and equally many batches. Where views are mixed, a sample and its partner are
    in the same part. The order is another one in each of the store's epochs; when they come round again, the chunks are
    in a fresh order, as those of a `LabelStream`.
    """

    def __init__(
        self,
        store: decant.Store,
        batch_size: int = 256,
        *,
        epochs: Sequence[int] = (),
        last_batch: str = "short",
        rank: Optional[int] = None,
        world_size: Optional[int] = None,
    ) -> None:
        """
        Args:
            batch_size: Samples of a global batch, which the ranks share.
            epochs: The store's epochs, in turn; all by default. The same as those of the LabelledDataset.
            last_batch: Of an epoch's end: "short", "drop", or "pad" with the epoch's first samples.
            rank, world_size: As for `LabelStream`.

        Raises:
            InvalidArgumentError: There is no such epoch, a rank would get an empty batch, or views are mixed and
                batches of an odd size would tear partners apart.
        """
        self._store = store
        self._rank, self._world_size = data_parallel_group(rank, world_size)
        self._progress = Progress(store, epochs, batch_size, last_batch)
        self._unit = 2 if any(mixes(schema["views"]) for schema in schemas_of(store)) else 1
        if batch_size % self._unit != 0:
            raise InvalidArgumentError(f"batches of {batch_size} tear mixed views apart; expected an even batch_size")
        check_parts(self._progress, self._world_size, self._unit)
        self._num_drawn = 0

    def __len__(self) -> int:
        """Batches of a whole epoch, the same for every rank. The first iteration after `load_state_dict` has fewer."""
        return self._progress.num_batches()

    @property
    def epoch(self) -> int:
        """The training epoch that the next iteration reads."""
        return self._progress.epoch

    def set_epoch(self, epoch: int) -> None:
        """The next iteration reads this training epoch: from its beginning, or where a state of it was just loaded."""
        self._progress.set_epoch(epoch)
        self._num_drawn = 0

    def state_dict(self, num_batches: Optional[int] = None) -> Dict[str, Any]:
        """Where training stands, for any number of ranks and workers: {schema_digest, epoch, store_epoch, position}.

        Args:
            num_batches: How many of this iteration's batches were trained on. By default, all that were drawn: a
                DataLoader with workers draws ahead of the training loop. (A StatefulDataLoader keeps track itself.)
        """
        done = self._num_drawn if num_batches is None else num_batches
        return self._progress.state(self.epoch, self._progress.start + done * self._progress.batch_size)

    def load_state_dict(self, state: Dict[str, Any]) -> None:
        """The next iteration goes on where `state_dict` was called. Errors: as for `LabelStream`."""
        self._progress.load(state)
        check_parts(self._progress, self._world_size, self._unit)
        self._num_drawn = 0

    def __iter__(self) -> Iterator[List[int]]:
        self._num_drawn = 0
        return self._batches(self._progress.epoch, self._progress.start)

    def _batches(self, epoch: int, start: int) -> Iterator[List[int]]:
        epochs, store_epoch = self._progress.epochs, self._progress.store_epoch_of(epoch)
        size = self._progress.batch_size
        num_samples = self._progress.num_samples
        for number in range(self._progress.num_batches(start)):
            begin = start + number * size
            end = begin + size if self._progress.last_batch == "pad" else min(begin + size, num_samples)
            units = -(-(end - begin) // self._unit)
            first = begin + units * self._rank // self._world_size * self._unit
            last = begin + units * (self._rank + 1) // self._world_size * self._unit
            positions = np.arange(first, min(last, end)) % num_samples
            self._num_drawn = number + 1
            positions = _decant.store_positions(self._store._native, epochs, epoch, positions)
            yield self._store.sample_ids(store_epoch, positions).tolist()
