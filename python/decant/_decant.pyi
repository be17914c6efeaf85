"""The part of the package that is written in C++. Public: `Labels`, `Batch` and `Stream`, which the package hands out."""

from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__version__: str

# Whose views are mixed: the partner's sample id, the own share, whether by cutmix, the box (left, top, width, height) of 1.
_Mixing = Tuple[int, float, bool, Tuple[float, float, float, float]]

class Labels:
    """Soft labels, one after the other; the arrays are its memory, and stay valid with it. Columns that the store does not
    keep are empty."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> Tuple[NDArray[np.uint32], NDArray[np.float32], float]:
        """ids [k], log_probs [k], tail."""

    @property
    def offsets(self) -> NDArray[np.uint32]:
        """Label i has the entries [offsets[i], offsets[i + 1]); [n + 1]."""

    @property
    def ids(self) -> NDArray[np.uint32]:
        """Classes, [entries]."""

    @property
    def log_probs(self) -> NDArray[np.float32]:
        """Natural logarithms, [entries]."""

    @property
    def tail(self) -> NDArray[np.float32]:
        """The probability of all classes that are not listed, [n]."""

    @property
    def true_log_probs(self) -> NDArray[np.float32]:
        """Of the true class, [n]."""

    @property
    def logits(self) -> NDArray[np.float32]:
        """As the teacher gave them, [entries]."""

    @property
    def log_sum_exp(self) -> NDArray[np.float32]:
        """Of all of the teacher's logits, [n]."""

    @property
    def window_offsets(self) -> NDArray[np.uint32]:
        """Window i has the labels [window_offsets[i], window_offsets[i + 1])."""

    @property
    def window_hashes(self) -> NDArray[np.uint64]: ...
    @property
    def view_fingerprints(self) -> NDArray[np.uint16]: ...
    def padded(self, k: Optional[int] = None) -> Tuple[NDArray[np.int64], NDArray[np.float32]]:
        """ids [n, k] and log_probs [n, k], padded with class 0 and -inf; k is the longest label's by default."""

    def dense(self, num_classes: int, *, tail: str = "uniform", threads: int = 1) -> NDArray[np.float32]:
        """Probabilities [n, num_classes]; with tail="ghost" [n, num_classes + 1].

        Args:
            tail: Where the probability of the classes that are not listed goes: "uniform" over them, "ghost": into the
                last column, "renormalise": the listed ones sum to 1.
        """

class Batch:
    """A rank's part of a global batch."""

    def __len__(self) -> int: ...
    @property
    def epoch(self) -> int:
        """The training epoch."""

    @property
    def store_epoch(self) -> int: ...
    @property
    def position(self) -> int:
        """Of the global batch's first sample, in the epoch."""

    @property
    def global_size(self) -> int:
        """Samples of all ranks."""

    @property
    def positions(self) -> NDArray[np.uint64]: ...
    @property
    def sample_ids(self) -> NDArray[np.uint64]: ...
    @property
    def labels(self) -> Labels: ...

class Stream:
    """What `Store.stream` returns."""

    def __init__(
        self,
        store: Store,
        *,
        batch_size: int,
        num_epochs: int,
        epochs: Sequence[int],
        last_batch: str,
        rank: int,
        world_size: int,
        threads: int,
        chunks_read_ahead: int,
        wait_seconds: float,
        state: Optional[Dict[str, Any]],
    ) -> None: ...
    def __iter__(self) -> Stream: ...
    def __next__(self) -> Batch: ...
    def state(self) -> Dict[str, Any]:
        """Where the next batch begins, for `Store.stream(state=...)`: a dict of numbers and texts."""

class Store:
    def __init__(self, paths: Sequence[str], combine: str, temperature: Optional[float], cache_bytes: int) -> None: ...
    @property
    def paths(self) -> List[str]: ...
    @property
    def schema_text(self) -> str: ...
    @property
    def set_digest(self) -> str: ...
    @property
    def digest(self) -> Optional[str]: ...
    @property
    def num_epochs(self) -> int: ...
    @property
    def num_samples(self) -> int: ...
    @property
    def num_classes(self) -> int: ...
    @property
    def temperature(self) -> float: ...
    @property
    def num_committed_spans(self) -> int: ...
    def is_labelled(self, epoch: int, position: int) -> bool: ...
    def refresh(self) -> None: ...
    def epoch_in_store(self, epoch: int) -> Tuple[int, int]: ...
    def labels(self, epoch: int, sample_id: int) -> Tuple[NDArray[np.uint32], NDArray[np.float32], float]: ...
    def labels_of(self, epoch: int, sample_ids: ArrayLike) -> Labels: ...
    def sample_ids(self, epoch: int, positions: ArrayLike) -> NDArray[np.uint64]: ...
    def positions(self, epoch: int, sample_ids: ArrayLike) -> NDArray[np.uint64]: ...
    def sample_keys(self) -> List[str]: ...

class Views:
    def __init__(self, store: Store, data_json: str, size: Optional[Tuple[int, int]]) -> None: ...
    def render(self, sample_id: int, epoch: int) -> Tuple[NDArray[np.uint8], int]: ...
    def true_class(self, sample_id: int) -> int: ...
    def name(self, sample_id: int) -> str: ...
    @property
    def num_samples(self) -> int: ...

class Span:
    @property
    def epoch(self) -> int: ...
    @property
    def positions(self) -> NDArray[np.uint64]: ...
    @property
    def sample_ids(self) -> NDArray[np.uint64]: ...
    @property
    def num_put(self) -> int: ...
    def put_logits(
        self,
        logits: ArrayLike,
        *,
        true_classes: ArrayLike,
        view_fingerprints: ArrayLike,
        window_sizes: ArrayLike,
        window_hashes: ArrayLike,
        token_positions: ArrayLike,
    ) -> None: ...
    def put_labels(
        self,
        ids: ArrayLike,
        log_probs: ArrayLike,
        tail: ArrayLike,
        *,
        view_fingerprints: ArrayLike,
        window_sizes: ArrayLike,
        window_hashes: ArrayLike,
    ) -> None: ...
    def commit(self) -> None: ...

class Labeller:
    def __init__(
        self,
        *,
        job_path: str,
        overrides: Sequence[str],
        dataset: str,
        num_samples: int,
        description: str,
        windows: bool,
        teacher: str,
        num_classes: int,
        provenance: str,
        lease_seconds: float,
        scratch: str,
    ) -> None: ...
    def claim(self) -> Optional[Span]: ...
    @property
    def is_complete(self) -> bool: ...
    @property
    def schema_text(self) -> str: ...
    @property
    def job_text(self) -> str: ...
    def mixing_of(self, epoch: int, position: int) -> _Mixing: ...
    def render_images(
        self, epoch: int, positions: ArrayLike
    ) -> Tuple[NDArray[np.uint8], NDArray[np.uint16], NDArray[np.uint32]]: ...
    def render_tokens(
        self, epoch: int, positions: ArrayLike
    ) -> List[Tuple[NDArray[Any], NDArray[np.uint32], int, int, NDArray[np.uint32]]]: ...
    def close(self) -> None: ...

def hash_tokens(tokens: ArrayLike) -> int: ...
def external_view_key(seed: int, epoch: int, sample_id: int) -> int: ...
def mixing_of(store: Store, epoch: int, position: int) -> _Mixing: ...
def store_positions(store: Store, epochs: Sequence[int], epoch: int, positions: Any) -> NDArray[np.uint64]: ...
