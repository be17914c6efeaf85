"""Labels in the store's order, the fastest way to read them."""

from typing import Any, Dict, Iterator, NamedTuple, Optional, Sequence, Tuple

import torch
from torch.utils.data import IterableDataset, get_worker_info

import decant
from decant.errors import InvalidArgumentError, MismatchError
from decant.torch.labels import SoftLabels, int64_tensor, reduce_small, soft_labels
from decant.torch.progress import Progress, check_parts
from decant.torch.stores import data_parallel_group, label_width


class LabelBatch(NamedTuple):
    """A rank's part of a global batch.

    Attributes:
        sample_ids: int64 [n].
        positions: int64 [n], of the samples in the order of the store's epoch.
        labels: Of the n samples; of windows of tokens, of all their labelled tokens, one window after the other.
        window_offsets: int64 [n + 1], where each window's labels begin and end; None for other samples.
        epoch: The training epoch.
        store_epoch: The store's epoch, whose views the labels are of.
        position: Of the global batch's first sample.
        global_size: Samples of all ranks' parts together.
    """

    sample_ids: torch.Tensor
    positions: torch.Tensor
    labels: SoftLabels
    window_offsets: Optional[torch.Tensor]
    epoch: int
    store_epoch: int
    position: int
    global_size: int

    def __reduce__(self) -> Tuple[Any, ...]:
        return reduce_small(self)


class LabelStream(IterableDataset):
    """The labels of one training epoch as batches in the store's order, read ahead by threads.

        stream = LabelStream(store, batch_size=1024)
        loader = DataLoader(stream, batch_size=None, num_workers=2, persistent_workers=True)
        for epoch in range(90):
            stream.set_epoch(epoch)
            for batch in loader:
                loss = soft_cross_entropy(model(images_of(batch.sample_ids)), batch.labels)

    It can be iterated itself, too: `threads` read ahead then, and workers are seldom needed. DataLoader workers share
    the batches, batch i goes to worker i mod n, and DataLoader keeps the order. An iteration is one epoch; without
    `set_epoch` the next one is the same again. Training epoch e reads epochs[e mod n] of the store; from the second
    time on, the chunks come in a fresh order.

    The batches are a rank's own already: do not let a framework shard the loader again (accelerate's `prepare`).
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
        threads: int = 1,
        wait_seconds: float = 0,
    ) -> None:
        """
        Args:
            batch_size: Samples of a global batch, which the ranks share: with another number of ranks, the batches are
                the same. (DataLoader's batch_size must be None.)
            epochs: The store's epochs to read, in turn; all by default.
            last_batch: Of an epoch's end: "short", "drop", or "pad" with the epoch's first samples.
            rank, world_size: This process's place in the data-parallel group, which it is one of; by default that of
                torch.distributed when this is initialised, else the only one.
            threads: That read and decode, in each worker.
            wait_seconds: How long to wait for labels that are being produced.

        Raises:
            InvalidArgumentError: There is no such epoch, or a rank would get an empty batch.
        """
        self._store = store
        self._k = label_width(store)
        self._rank, self._world_size = data_parallel_group(rank, world_size)
        self._threads = threads
        self._wait_seconds = wait_seconds
        self._progress = Progress(store, epochs, batch_size, last_batch)
        check_parts(self._progress, self._world_size)
        self._next: Optional[Tuple[int, int]] = None  # (epoch, position) that this process's iteration goes on with
        self._loaded: Optional[Dict[str, Any]] = None  # in a worker

    def __len__(self) -> int:
        """Batches of a whole epoch, the same for every rank. The first iteration after `load_state_dict` has fewer."""
        return self._progress.num_batches()

    @property
    def epoch(self) -> int:
        """The training epoch that the next iteration reads."""
        return self._progress.epoch

    def set_epoch(self, epoch: int) -> None:
        """The next iteration reads this training epoch, in running persistent workers, too.

        From its beginning, but for the epoch of a state that was just loaded: then from there.
        """
        self._progress.set_epoch(epoch)
        self._next = None

    def state_dict(self, batch: Optional[LabelBatch] = None) -> Dict[str, Any]:
        """Where training stands, for any number of ranks and workers: {schema_digest, epoch, store_epoch, position}.

        Args:
            batch: The last one that was trained on. Needed when DataLoader workers read the batches, for they are ahead
                of the training loop. (A StatefulDataLoader keeps track itself.)

        Raises:
            InvalidArgumentError: Workers read the batches, and `batch` is missing.
        """
        if batch is not None:
            return self._progress.state(batch.epoch, batch.position + batch.global_size)
        worker = get_worker_info()
        if worker is None and self._progress.reads_in_workers:
            raise InvalidArgumentError(
                "DataLoader workers read ahead of the training loop: give the last batch that was trained on, "
                "state_dict(batch)"
            )
        state = self._progress.state(*(self._next or (self._progress.epoch, self._progress.start)))
        if worker is not None:  # as a StatefulDataLoader asks: a worker's state is of no use elsewhere
            state.update(worker=worker.id, num_workers=worker.num_workers)
        return state

    def load_state_dict(self, state: Dict[str, Any]) -> None:
        """The next iteration goes on where `state_dict` was called, in its epoch.

        Also with another number of ranks or workers, or another batch size. `epoch` says which epoch that is; later
        epochs begin at their beginning once `set_epoch` is called.

        Raises:
            MismatchError: It is another store's state, or one of other epochs.
            InvalidArgumentError: It is no state of a stream.
        """
        worker = get_worker_info()
        here = (worker.id, worker.num_workers) if worker is not None else (None, None)
        if (state.get("worker"), state.get("num_workers")) != here:
            raise MismatchError(
                f"a state of DataLoader worker {state.get('worker')} of {state.get('num_workers')} cannot be loaded "
                f"into worker {here[0]} of {here[1]}: keep num_workers, or keep state_dict(batch)"
            )
        self._next = None
        if worker is not None:
            self._progress.check(state)
            self._loaded = state
            self._next = (state["epoch"], state["position"])
            return
        self._progress.load(state)
        check_parts(self._progress, self._world_size)
        self._progress.reads_in_workers = False

    def __iter__(self) -> Iterator[LabelBatch]:
        info = get_worker_info()
        worker, num_workers = (info.id, info.num_workers) if info is not None else (0, 1)
        self._progress.reads_in_workers = info is not None
        epoch, start = self._progress.epoch, self._progress.start
        if self._loaded is not None:
            epoch, start, self._loaded = self._loaded["epoch"], self._loaded["position"], None
        self._next = (epoch, start)
        return self._batches(epoch, start, worker, num_workers)

    # Those of the global batches from `start` on whose number is `worker` modulo num_workers.
    def _batches(self, epoch: int, start: int, worker: int, num_workers: int) -> Iterator[LabelBatch]:
        size = self._progress.batch_size
        round_size = size * num_workers
        for batch, position, global_size in self._parts(epoch, start, worker, num_workers):
            # Where the worker's next round begins; without workers, the next batch.
            self._next = (epoch, position - worker * size + round_size)
            windows = batch.labels.window_offsets
            yield LabelBatch(
                int64_tensor(batch.sample_ids),
                int64_tensor(batch.positions),
                soft_labels(batch.labels, self._k),
                int64_tensor(windows) if self._store.windows else None,
                batch.epoch,
                batch.store_epoch,
                position,
                global_size,
            )

    # (batch, position, size of the global batch). Rounds of one full batch for each worker are read as one batch that
    # is shared by num_workers times as many ranks: so nobody decodes what it does not need.
    def _parts(self, epoch: int, start: int, worker: int, num_workers: int) -> Iterator[Tuple[Any, int, int]]:
        size = self._progress.batch_size
        if num_workers > 1:
            round_size = size * num_workers
            rank = worker * self._world_size + self._rank
            rounds = max(self._progress.num_samples - start, 0) // round_size
            if rounds > 0:
                for batch in self._stream(epoch, start, round_size, rank, self._world_size * num_workers, "drop"):
                    yield batch, batch.position + worker * size, size
            start += rounds * round_size
        if start >= self._progress.num_samples:
            return
        last = self._stream(epoch, start, size, self._rank, self._world_size, self._progress.last_batch)
        for i, batch in enumerate(last):
            if i % num_workers == worker:
                yield batch, batch.position, batch.global_size

    def _stream(self, epoch: int, start: int, size: int, rank: int, world_size: int, last_batch: str) -> Any:
        return self._store.stream(
            size,
            num_epochs=epoch + 1,
            epochs=self._progress.epochs,
            last_batch=last_batch,
            rank=rank,
            world_size=world_size,
            threads=self._threads,
            wait_seconds=self._wait_seconds,
            state=self._progress.state(epoch, start),
        )
