"""Making a store of labels that others have computed: token ids with the likeliest tokens and their log-probabilities."""

import hashlib
import json
import os
import time
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from decant import _decant
from decant.errors import InvalidArgumentError
from decant.labeller import Job, job_overrides, provenance, teacher_identity
from decant.store import Path, Store, open

# Windows that are written at once.
_BATCH = 256

_TOKENS = ("input_ids", "token_ids", "prompt_token_ids", "tokens")
_IDS = ("target_token_ids", "top_token_ids", "ids")
_LOG_PROBS = ("target_logprobs", "logprobs", "top_logprobs", "log_probs")


class _Row(NamedTuple):
    tokens: np.ndarray  # uint32 [T]
    ids: np.ndarray  # int64 [n, k]
    log_probs: np.ndarray  # float32 [n, k], -inf for padding


def import_rows(
    path: Path,
    rows: Sequence[Mapping[str, Any]],
    *,
    num_classes: int,
    k: int,
    shift: int = 1,
    teacher: Union[str, Mapping[str, Any]],
    job: Optional[Job] = None,
) -> Store:
    """Makes a store of windows of tokens with labels that an engine has computed.

    A row is a dict of one window, in one of these shapes:

    * axolotl, DistillKit (decompressed): "input_ids" int [T]; "target_token_ids" int [T, k] and "target_logprobs" float
      [T, k], or lists of lists of differing lengths.
    * vLLM: "prompt_token_ids" int [T]; "prompt_logprobs", a list of T dicts {token id: log-probability, or an object or
      a dict with `logprob`}, of which the first is None.

    The store's label i of a window is the distribution of the token that follows token i. Tail masses are what is
    missing to 1: an engine's rounded log-probabilities leave an error of about 1e-3 of the tail at float16, and more at
    small tails. The schema says so: teacher.tail is "from rounded log-probabilities".

    Args:
        path: The store; when it was begun with the same rows before, it is continued.
        rows: Any sequence: a list, a `datasets.Dataset`. Row i becomes sample i.
        num_classes: The size of the vocabulary.
        k: The most entries of a label; of more, the likeliest stay.
        shift: By how many tokens an entry's place is after the token that it follows: 1 when entry t is the
            distribution of token t, given those before (vLLM's prompt_logprobs, axolotl's targets), so that entry 0 is
            dropped; 0 when entry t is the distribution of token t + 1.
        teacher: What the schema records of the teacher: a text or a dict.
        job: Further keys of [labels] and [views], as `decant.Labeller` takes them.

    Raises:
        InvalidArgumentError: A row has none of these shapes, a token that is not in the vocabulary, log-probabilities
            that sum to more than 1: its number is named.
    """
    if shift not in (0, 1):
        raise InvalidArgumentError(f"shift is {shift}; expected 0 or 1")
    identity = {**teacher_identity(teacher), "tail": "from rounded log-probabilities"}
    native = _decant.Labeller(
        job_path="" if job is None or isinstance(job, Mapping) else os.fspath(job),
        overrides=job_overrides(job)
        + [f"--labels.store={os.fspath(path)}", f"--labels.k={k}", "--labels.view_fingerprints=false"],
        dataset=json.dumps(_identity(rows)),
        num_samples=len(rows),
        description="",
        windows=True,
        teacher=json.dumps(identity),
        num_classes=num_classes,
        provenance=json.dumps(provenance()),
        lease_seconds=30,
        scratch="",
    )
    try:
        while not native.is_complete:
            span = native.claim()
            if span is None:
                time.sleep(0.1)
                continue
            sample_ids = span.sample_ids.tolist()
            for begin in range(0, len(sample_ids), _BATCH):
                _put(span, rows, sample_ids[begin : begin + _BATCH], k, num_classes, shift)
            span.commit()
            del span
    finally:
        native.close()
    return open(path)


def _put(span: Any, rows: Sequence[Any], sample_ids: List[int], k: int, num_classes: int, shift: int) -> None:
    parts = [_parse(rows[sample_id], sample_id, k, num_classes, shift) for sample_id in sample_ids]
    log_probs = np.concatenate([part.log_probs for part in parts])
    tail = 1 - np.exp(log_probs.astype(np.float64)).sum(1)
    worst = int(tail.argmin())
    if tail[worst] < -1e-3:
        window = int(np.searchsorted(np.cumsum([len(part.ids) for part in parts]), worst, side="right"))
        raise InvalidArgumentError(
            f"row {sample_ids[window]}: the probabilities of an entry sum to {1 - tail[worst]:.4f}; expected natural "
            "logarithms of probabilities, at most 1 together"
        )
    # Rounding may leave more than 1.
    excess = np.log(np.maximum(1 - tail, 1)).astype(np.float32)
    span.put_labels(
        np.concatenate([part.ids for part in parts]),
        np.minimum(log_probs - excess[:, None], 0),
        np.maximum(tail, 0).astype(np.float32),
        view_fingerprints=np.empty(0, np.uint16),
        window_sizes=np.array([len(part.ids) for part in parts], np.uint32),
        window_hashes=np.array([_decant.hash_tokens(part.tokens) for part in parts], np.uint64),
    )


def _parse(row: Mapping[str, Any], number: int, k: int, num_classes: int, shift: int) -> _Row:
    tokens = np.asarray(_field(row, _TOKENS, number), np.int64)
    if "prompt_logprobs" in row:
        ids, log_probs = _from_dicts(row["prompt_logprobs"])
    else:
        ids, log_probs = list(_field(row, _IDS, number)), list(_field(row, _LOG_PROBS, number))
    if len(ids) != len(tokens) or [len(part) for part in ids] != [len(part) for part in log_probs]:
        raise InvalidArgumentError(
            f"row {number}: {len(tokens)} tokens, {len(ids)} lists of ids, {len(log_probs)} of log-probabilities: "
            "expected a list of ids and one of as many log-probabilities for each token"
        )
    ids, log_probs = ids[shift:], log_probs[shift:]
    padded_ids = np.zeros((len(ids), k), np.int64)
    padded = np.full((len(ids), k), -np.inf, np.float32)
    for place, (entry_ids, entry) in enumerate(zip(ids, log_probs)):
        entry = np.asarray(entry, np.float32)
        likeliest = np.argsort(-entry, kind="stable")[:k]
        padded_ids[place, : len(likeliest)] = np.asarray(entry_ids, np.int64)[likeliest]
        padded[place, : len(likeliest)] = entry[likeliest]
    listed = padded_ids[padded > -np.inf]
    for what, found in (("token", tokens), ("class", listed)):
        if len(found) and not 0 <= found.min() <= found.max() < num_classes:
            raise InvalidArgumentError(f"row {number}: a {what} {found.max()}, with num_classes {num_classes}")
    if not (padded > -np.inf).any(1).all() or np.isnan(padded).any():
        raise InvalidArgumentError(f"row {number}: a label without entries, or NaN; is shift {shift} right?")
    return _Row(tokens.astype(np.uint32), padded_ids, padded)


# Of vLLM: the first entry is None.
def _from_dicts(entries: Sequence[Any]) -> Tuple[List[List[int]], List[List[float]]]:
    def value(found: Any) -> float:
        if isinstance(found, Mapping):
            return float(found["logprob"])
        return float(getattr(found, "logprob", found))

    dicts: List[Dict[Any, Any]] = [dict(entry) if entry else {} for entry in entries]
    return [[int(key) for key in entry] for entry in dicts], [[value(v) for v in entry.values()] for entry in dicts]


def _field(row: Mapping[str, Any], names: Sequence[str], number: int) -> Any:
    for name in names:
        if name in row:
            return row[name]
    raise InvalidArgumentError(f"row {number} has none of {', '.join(names)}; it has {', '.join(map(str, row))}")


def _identity(rows: Sequence[Mapping[str, Any]]) -> Dict[str, Any]:
    digest = hashlib.sha256()
    longest = 0
    for number in range(len(rows)):
        tokens = np.asarray(_field(rows[number], _TOKENS, number), np.uint32)
        longest = max(longest, len(tokens))
        digest.update(len(tokens).to_bytes(8, "little") + tokens.tobytes())
    return {
        "kind": "python",
        "num_samples": len(rows),
        "max_tokens": longest,
        "fingerprint": f"sha256:{digest.hexdigest()}",
    }
