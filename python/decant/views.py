"""Rendering what the teacher saw."""

import json
import os
from typing import Any, Optional, Tuple

import numpy as np

from decant import _decant, process
from decant.errors import InvalidArgumentError
from decant.store import Path, Store


class Views:
    """The native views of a store: the pixels that its teacher saw, bit by bit.

    Usable from any thread and, pickled or after a fork, in any process.
    """

    def __init__(self, store: Store, *, size: Optional[Tuple[int, int]] = None, **data: Any) -> None:
        """
        Args:
            store: A store of images.
            size: (height, width); the teacher's by default. The same views at another resolution.
            **data: Keys of the job's [data] section where they are no longer what they were when the store was made:
                `path` when the dataset has moved.

        Raises:
            MismatchError: The dataset is not the store's, or the views are not native.
        """
        job = store.schema["provenance"].get("job", {}).get("data", {})
        data = {key: os.fspath(value) if isinstance(value, os.PathLike) else value for key, value in data.items()}
        self._store = store
        self._size = size
        self._data = json.dumps({**job, **data})
        if not json.loads(self._data).get("path"):
            raise InvalidArgumentError(f"{store.paths[0]} does not say where its dataset is; give path=...")
        self._process = -1
        self._opened: Any = None
        self._native.num_samples

    @property
    def _native(self) -> Any:
        if self._process != process.current:
            self._opened = _decant.Views(self._store._native, self._data, self._size)
            self._process = process.current
        return self._opened

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_opened": None, "_process": -1}

    def __len__(self) -> int:
        return self._native.num_samples

    def render(self, sample_id: int, epoch: int) -> np.ndarray:
        """The view of a sample in an epoch: uint8 [height, width, channels]."""
        return self._native.render(sample_id, epoch)[0]

    def true_class(self, sample_id: int) -> int:
        """The sample's class in the dataset; 0 when it has none."""
        return self._native.true_class(sample_id)

    def name(self, sample_id: int) -> str:
        return self._native.name(sample_id)
