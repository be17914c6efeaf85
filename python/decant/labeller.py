"""Any teacher in Python: labelling a store by any number of processes, without MPI."""

import datetime
import json
import os
import platform
import socket
import time
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Union

import numpy as np

from decant import _decant
from decant.errors import InvalidArgumentError
from decant.store import Path

Job = Union[Path, Mapping[str, Mapping[str, Any]]]

# How often a labeller that has nothing to do looks whether that has changed.
_PAUSE_SECONDS = 0.2


class Labeller:
    """Labels spans of a store that nobody else is labelling, until all are labelled.

        with decant.Labeller("labels.decant", "labels.toml", teacher="my_vit@3f2a", num_classes=1000) as labeller:
            for span in labeller.spans():
                for batch in span:
                    batch.put(teacher(batch.inputs))

    Any number of processes run the same lines, started by torchrun, srun, Ray or by hand, and `decant produce` may label
    the same store with them. A process that dies loses the span that it was at, and nothing else: another labels it.
    The first to come to a new store labels some samples before, for the codec to learn from; they look like a span.

    A span is committed when all of its batches were put. Whoever has finished one makes it permanent, with what others
    have left; the last one seals the store. Not thread-safe; does not survive a fork.
    """

    def __init__(
        self,
        path: Path,
        job: Optional[Job] = None,
        *,
        num_classes: int,
        teacher: Union[str, Mapping[str, Any], None] = None,
        dataset: Any = None,
        collate: Optional[Callable[[List[Any]], Any]] = None,
        names: Optional[Sequence[str]] = None,
        num_workers: int = 0,
        lease_seconds: float = 30,
        scratch: Path = "",
    ) -> None:
        """
        Args:
            path: The store, which is created or continued.
            job: The job file, or its sections as dicts: {"labels": {"k": 50}, "views": {"seed": 1}, ...}. Keys:
                docs/job.md.
            num_classes: Of the teacher's logits.
            teacher: What the schema records of the teacher: a name with a version, or a dict. May be left out when the
                job's teacher.path names the TorchScript file that is run: then `decant produce` makes the same labels.
            dataset: Your own map-style dataset, with your own random transform. Its items are seeded from (views.seed,
                epoch, sample id), so that `decant.torch.LabelledDataset` shows students the same. Left out: Decant
                reads the job's [data] and renders its [views].
            collate: Makes a batch of items of `dataset`; torch's default_collate by default.
            names: Of the samples of `dataset`, where it has none that Decant finds by itself.
            num_workers: Processes that render items of `dataset`; 0: this one.
            lease_seconds: After so long without a sign of life, a labeller's spans are labelled by others.
            scratch: A folder of this machine where a span's file is written first; the store's folder by default.

        Raises:
            MismatchError: The store was begun with another job: every difference is named.
            InvalidArgumentError, NotFoundError: The job does not hold.
        """
        if teacher is None and not _has_teacher_path(job):
            raise InvalidArgumentError("teacher is missing: say what it is, as a text or a dict, or give teacher.path")
        self._dataset = dataset
        self._collate = collate
        self._num_workers = num_workers
        self._native: Any = None
        external = _describe(dataset, names) if dataset is not None else {}
        self._native = _decant.Labeller(
            job_path="" if job is None or isinstance(job, Mapping) else os.fspath(job),
            overrides=job_overrides(job) + [f"--labels.store={os.fspath(path)}"],
            dataset=external.get("dataset", ""),
            num_samples=len(dataset) if dataset is not None else 0,
            description=external.get("description", ""),
            windows=False,
            teacher=json.dumps(teacher_identity(teacher)) if teacher is not None else "",
            num_classes=num_classes,
            provenance=json.dumps(provenance()),
            lease_seconds=lease_seconds,
            scratch=os.fspath(scratch),
        )
        self._job = json.loads(self._native.job_text)
        self._schema = json.loads(self._native.schema_text)

    def __enter__(self) -> "Labeller":
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def close(self) -> None:
        """Gives up what is not finished."""
        if self._native is not None:
            self._native.close()

    @property
    def schema(self) -> Dict[str, Any]:
        """What the store means."""
        return self._schema

    @property
    def is_complete(self) -> bool:
        """Whether all labels are there, and the store is sealed."""
        return self._native.is_complete

    def spans(self) -> Iterator["LabellerSpan"]:
        """Spans to label, one after the other, until the store is complete.

        At the end it waits for those that others are labelling, and takes them over when these die.
        """
        while not self.is_complete:
            native = self._native.claim()
            if native is None:
                time.sleep(_PAUSE_SECONDS)
                continue
            yield LabellerSpan(self, native)
            if native.num_put < len(native.positions):
                raise InvalidArgumentError(
                    f"labels of {native.num_put} of the span's {len(native.positions)} samples were put: put() is "
                    "missing, or the loop over the span was left"
                )
            native.commit()
            del native


class LabellerSpan:
    """A span that this process labels: an iterable of batches."""

    def __init__(self, labeller: Labeller, native: Any) -> None:
        self._labeller = labeller
        self._native = native

    @property
    def epoch(self) -> int:
        return self._native.epoch

    @property
    def positions(self) -> np.ndarray:
        """In the epoch's order, uint64 [n]."""
        return self._native.positions

    @property
    def sample_ids(self) -> np.ndarray:
        """At the positions, uint64 [n]."""
        return self._native.sample_ids

    def __len__(self) -> int:
        """Samples."""
        return len(self._native.positions)

    def __iter__(self) -> Iterator[Any]:
        labeller = self._labeller
        batches = self._batches()
        if labeller._dataset is not None:
            from decant.torch.labelling import external_batches

            yield from external_batches(labeller, self, batches)
        elif labeller.schema["labels"]["windows"]:
            for positions in batches:
                yield TokenBatch(labeller, self, positions)
        else:
            for positions in batches:
                yield ImageBatch(labeller, self, positions)

    # Batches of the job's size that do not straddle a chunk, as those of `decant produce`.
    def _batches(self) -> List[np.ndarray]:
        chunk_size = self._labeller.schema["layout"]["chunk_size"]
        batch_size = self._labeller._job["teacher"]["batch_size"]
        positions = self.positions
        consecutive = len(positions) < 2 or int(positions[1]) == int(positions[0]) + 1
        pieces = []
        for begin in range(0, len(positions), chunk_size if consecutive else len(positions)):
            chunk = positions[begin : begin + chunk_size] if consecutive else positions
            pieces += [chunk[i : i + batch_size] for i in range(0, len(chunk), batch_size)]
        return pieces


class Batch:
    """Inputs for the teacher, and where its answers go."""

    def __init__(self, labeller: Labeller, span: LabellerSpan, positions: np.ndarray) -> None:
        self._labeller = labeller
        self._span = span
        self._fingerprints = np.empty(0, np.uint16)
        self._true_classes = np.empty(0, np.uint32)
        self._window_sizes = np.empty(0, np.uint32)
        self._window_hashes = np.empty(0, np.uint64)
        self._token_positions = np.empty(0, np.uint32)
        self.positions = positions

    def __len__(self) -> int:
        """Samples; `inputs` may be padded to more."""
        return len(self.positions)

    @property
    def epoch(self) -> int:
        return self._span.epoch

    def put(self, answer: Any) -> None:
        """What the teacher says of the batch's samples, in their order; rows of padding are dropped.

        Args:
            answer: Logits [B, C] ([B, T, C] for tokens), float, before softmax, from which the labels are selected as
                the job says. Or (ids, log_probs, tail), as `decant.torch.select` gives them: int [B, k], float [B, k],
                float [B]; an entry of -inf is padding. B is at least len(self).

        Raises:
            InvalidArgumentError: Values that are not finite, other shapes, columns of the schema that are missing.
        """
        columns = {
            "view_fingerprints": self._fingerprints,
            "window_sizes": self._window_sizes,
            "window_hashes": self._window_hashes,
        }
        native = self._span._native
        if isinstance(answer, (tuple, list)):
            ids, log_probs, tail = (self._rows(_numpy(part)) for part in answer[:3])
            native.put_labels(ids, log_probs, tail, **columns)
            return
        native.put_logits(
            self._rows(_numpy(answer)),
            true_classes=self._true_classes,
            token_positions=self._token_positions,
            **columns,
        )

    # Of a batch that may be padded, the rows that have labels.
    def _rows(self, array: np.ndarray) -> np.ndarray:
        if len(array) < len(self):
            raise InvalidArgumentError(f"expected answers for {len(self)} samples, found {len(array)}")
        return array[: len(self)]

    def _keep_columns(self, fingerprints: np.ndarray, true_classes: np.ndarray) -> None:
        labels = self._labeller.schema["labels"]
        if labels.get("view_fingerprints"):
            self._fingerprints = fingerprints
        if labels["true_label"]:
            self._true_classes = true_classes


class ImageBatch(Batch):
    """Native views of images.

    Attributes:
        images: uint8 [B, H, W, C], B the job's teacher.batch_size: the last batch of a chunk is padded with zeros.
    """

    def __init__(self, labeller: Labeller, span: LabellerSpan, positions: np.ndarray) -> None:
        super().__init__(labeller, span, positions)
        pixels, fingerprints, true_classes = labeller._native.render_images(span.epoch, positions)
        self._keep_columns(fingerprints, true_classes)
        batch_size = labeller._job["teacher"]["batch_size"]
        self.images = np.zeros((batch_size, *pixels.shape[1:]), np.uint8)
        self.images[: len(pixels)] = pixels

    @property
    def inputs(self) -> Any:
        """The images for a network: torch float32 [B, C, H, W], scaled to [0, 1], less teacher.mean, over teacher.std."""
        import torch

        teacher = self._labeller._job["teacher"]
        pixels = torch.from_numpy(self.images).permute(0, 3, 1, 2).to(torch.float32).contiguous()
        mean, std = (torch.tensor(teacher[key], dtype=torch.float32).view(1, -1, 1, 1) for key in ("mean", "std"))
        return pixels.div_(255).sub_(mean).div_(std)


class TokenBatch(Batch):
    """Windows of tokens.

    Attributes:
        tokens: int64 [B, T], padded on the right and to the job's teacher.batch_size with 0.
        mask: int64 [B, T], 1 for tokens and 0 for padding.
    """

    def __init__(self, labeller: Labeller, span: LabellerSpan, positions: np.ndarray) -> None:
        super().__init__(labeller, span, positions)
        windows = labeller._native.render_tokens(span.epoch, positions)
        shape = (labeller._job["teacher"]["batch_size"], labeller.schema["dataset"]["max_tokens"])
        self.tokens = np.zeros(shape, np.int64)
        self.mask = np.zeros(shape, np.int64)
        for row, (inputs, *_) in enumerate(windows):
            self.tokens[row, : len(inputs)] = inputs
            self.mask[row, : len(inputs)] = 1
        self._labelled = [window[1] for window in windows]
        self._window_sizes = np.array([len(labelled) for labelled in self._labelled], np.uint32)
        self._window_hashes = np.array([window[2] for window in windows], np.uint64)
        self._token_positions = np.concatenate(self._labelled).astype(np.uint32)
        fingerprints = np.array([window[3] for window in windows], np.uint16)
        self._keep_columns(fingerprints, np.concatenate([window[4] for window in windows]).astype(np.uint32))

    @property
    def inputs(self) -> Any:
        """`tokens` as a torch tensor."""
        import torch

        return torch.from_numpy(self.tokens)

    # The rows of the labelled tokens, window by window.
    def _rows(self, array: np.ndarray) -> np.ndarray:
        if array.shape[:2] != self.tokens.shape and array.shape[:2] != (len(self), self.tokens.shape[1]):
            raise InvalidArgumentError(f"expected answers for {self.tokens.shape} tokens, found {array.shape[:2]}")
        return np.concatenate([array[row][labelled] for row, labelled in enumerate(self._labelled)])


def _numpy(answer: Any) -> np.ndarray:
    """Of a tensor on any device, of any floating-point type, or of an array."""
    if hasattr(answer, "detach"):
        answer = answer.detach()
        answer = (answer.float() if answer.is_floating_point() else answer).cpu().numpy()
    return np.asarray(answer)


def _has_teacher_path(job: Optional[Job]) -> bool:
    if job is None or isinstance(job, Mapping):
        return bool(job) and bool(job.get("teacher", {}).get("path"))
    return True  # the job file will tell


def job_overrides(job: Optional[Job]) -> List[str]:
    """The keys of a job that is given as dicts, as the command line has them."""
    if not isinstance(job, Mapping):
        return []
    arguments = []
    for section, keys in job.items():
        if not isinstance(keys, Mapping):
            raise InvalidArgumentError(f"job: '{section}' is {keys!r}; expected a dict of keys")
        for key, value in keys.items():
            text = os.fspath(value) if isinstance(value, (str, os.PathLike)) else json.dumps(value)
            arguments.append(f"--{section}.{key}={text}")
    return arguments


def teacher_identity(teacher: Union[str, Mapping[str, Any]]) -> Dict[str, Any]:
    """What a schema records of a teacher in Python."""
    identity = {"name": teacher} if isinstance(teacher, str) else dict(teacher)
    return {"kind": "python", **identity}


def _describe(dataset: Any, names: Optional[Sequence[str]]) -> Dict[str, str]:
    from decant.torch.external import dataset_identity, describe_views

    return {"dataset": json.dumps(dataset_identity(dataset, names)), "description": describe_views(dataset)}


def provenance() -> Dict[str, Any]:
    """When, where and with which libraries."""
    libraries = {"decant": _decant.__version__, "python": platform.python_version(), "numpy": np.__version__}
    now = datetime.datetime.now(datetime.timezone.utc)
    return {"begun": now.strftime("%Y-%m-%dT%H:%M:%SZ"), "host": socket.gethostname(), "libraries": libraries}
