"""Opening stores of soft labels, and reading single labels."""

import json
import os
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import numpy as np

from decant import _decant, process
from decant._decant import Labels
from decant.errors import InvalidArgumentError

Path = Union[str, "os.PathLike[str]"]


def open(  # noqa: A001 - decant.open() reads well
    path: Union[Path, Sequence[Path]],
    *,
    combine: str = "epochs",
    temperature: Optional[float] = None,
    cache_bytes: int = 32 << 20,
) -> "Store":
    """Opens a store, or several as one.

    Args:
        path: A store, or a list of stores.
        combine: What several stores are: "epochs", the epochs of one after those of the other, or "teachers", teachers
            that saw the same views, whose probabilities are averaged.
        temperature: Which of the temperatures that the store keeps; its first by default.
        cache_bytes: Memory for chunks that were read: random reads are fast for as many as fit.

    Raises:
        NotFoundError: There is no store.
        MismatchError: The stores do not belong together, or one has no labels at this temperature.
        DataLossError: A store is damaged.
    """
    several = isinstance(path, (list, tuple))
    paths = [os.fspath(one) for one in (path if several else [path])]
    return Store(paths, combine, temperature, cache_bytes)


class Store:
    """The soft labels of a store, or of several that `decant.open` opened as one.

    Usable from any thread and, after a fork or pickled, in any process: each opens the store by itself, when it first
    needs it.
    """

    def __init__(self, paths: List[str], combine: str, temperature: Optional[float], cache_bytes: int) -> None:
        self._arguments = (paths, combine, temperature, cache_bytes)
        self._process = -1
        self._opened: Any = None
        self._schema: Dict[str, Any] = json.loads(self._native.schema_text)

    @property
    def _native(self) -> Any:
        if self._process != process.current:
            self._opened = _decant.Store(*self._arguments)
            self._process = process.current
        return self._opened

    def __getstate__(self) -> Dict[str, Any]:
        return {**self.__dict__, "_opened": None, "_process": -1}

    @property
    def paths(self) -> List[str]:
        return list(self._arguments[0])

    @property
    def schema(self) -> Dict[str, Any]:
        """What the (first) store means: layout, labels, dataset, order, views, teacher, provenance."""
        return self._schema

    @property
    def digest(self) -> Optional[str]:
        """The digest of a store that is complete and sealed, else None; None for several stores."""
        return self._native.digest

    @property
    def num_epochs(self) -> int:
        return self._native.num_epochs

    @property
    def num_classes(self) -> int:
        return self._native.num_classes

    @property
    def k(self) -> int:
        """The most entries of a label of the (first) store."""
        return self._schema["labels"]["k"]

    @property
    def temperature(self) -> float:
        """At which the labels hold."""
        return self._native.temperature

    @property
    def temperatures(self) -> List[float]:
        """All that the (first) store keeps."""
        return list(self._schema["labels"]["temperatures"])

    @property
    def windows(self) -> bool:
        """Whether a sample is a window of tokens, with a label for each token position."""
        return bool(self._schema["labels"].get("windows", False))

    def __len__(self) -> int:
        """The number of samples."""
        return self._native.num_samples

    def __repr__(self) -> str:
        name = repr(self.paths[0]) if len(self.paths) == 1 else repr(self.paths)
        state = "complete" if self.digest else f"{self._native.num_committed_spans} spans committed"
        kind = "windows" if self.windows else "samples"
        return (
            f"<decant.Store {name}: {len(self):,} {kind} x {self.num_epochs} epochs, up to {self.k} of "
            f"{self.num_classes:,} classes, T = {self.temperature:g}, {state}>"
        )

    def labels(self, epoch: int, sample_id: int) -> Tuple[np.ndarray, np.ndarray, float]:
        """One soft label.

        Returns:
            ids (uint32 [k]), log_probs (float32 [k], natural logarithms), tail (the probability of all other classes).

        Raises:
            NotFoundError: The epoch is not labelled there yet, or has expired.
            InvalidArgumentError: There is no such epoch or sample; the samples are windows: see `labels_of`.
            DataLossError: The label is damaged.
        """
        native = self._opened if self._process == process.current else self._native  # a call less
        return native.labels(epoch, sample_id)

    def labels_of(self, epoch: int, sample_ids: Any) -> Labels:
        """The labels of many samples, int [n], in the order given: faster than one at a time. Errors: as `labels`."""
        return self._native.labels_of(epoch, sample_ids)

    def sample_ids(self, epoch: int, positions: Any) -> np.ndarray:
        """The samples at positions of an epoch's order, uint64 of the same shape."""
        return self._native.sample_ids(epoch, positions)

    def positions(self, epoch: int, sample_ids: Any) -> np.ndarray:
        """Where samples are in an epoch's order: the inverse of `sample_ids`."""
        return self._native.positions(epoch, sample_ids)

    def is_labelled(self, epoch: int, position: int) -> bool:
        """Whether the label at a position is there, as of the opening or the last `refresh`."""
        return self._native.is_labelled(epoch, position)

    def refresh(self) -> None:
        """Takes notice of what was labelled since."""
        self._native.refresh()

    def sample_keys(self) -> List[str]:
        """What the samples are called where they come from; empty when the store does not say."""
        return self._native.sample_keys()

    def stream(
        self,
        batch_size: int = 256,
        *,
        num_epochs: int = 1,
        epochs: Sequence[int] = (),
        last_batch: str = "short",
        rank: int = 0,
        world_size: int = 1,
        threads: int = 1,
        chunks_read_ahead: int = 8,
        wait_seconds: float = 0,
        state: Optional[Dict[str, Any]] = None,
    ) -> Any:
        """Iterates over the labels in the store's order, read ahead by threads, as batches of NumPy arrays.

        A batch has `sample_ids` and `positions` (uint64 [n]), `labels` (`Labels`), `epoch`, `store_epoch`, `position`.
        Global batch g of an epoch is the positions [g B, (g + 1) B), whatever the number of ranks; every rank gets its
        part, and equally many batches.

        Args:
            batch_size: Samples of a global batch, which the ranks share.
            num_epochs: Training epochs.
            epochs: The store's epochs to read, in turn; all by default. When they come round again, the chunks are in a
                fresh order.
            last_batch: Of an epoch's end: "short", "drop", or "pad" with the epoch's first samples.
            rank, world_size: This process's data-parallel group.
            threads: That read and decode.
            chunks_read_ahead: Decoded chunks, at most.
            wait_seconds: How long to wait for labels that are being produced.
            state: What `state()` of a stream returned, of any number of ranks: continues there.

        Raises:
            MismatchError: `state` is another store's.
            NotFoundError: Labels are missing, and wait_seconds is 0.
            UnavailableError: Labels did not come in time.
        """
        if isinstance(epochs, int):
            raise InvalidArgumentError(f"epochs is {epochs}; expected a list of the store's epochs: [{epochs}]")
        return _decant.Stream(
            self._native,
            batch_size=batch_size,
            num_epochs=num_epochs,
            epochs=list(epochs),
            last_batch=last_batch,
            rank=rank,
            world_size=world_size,
            threads=threads,
            chunks_read_ahead=chunks_read_ahead,
            wait_seconds=wait_seconds,
            state=state,
        )
