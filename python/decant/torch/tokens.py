"""Windows and documents of tokens with a soft label for each token: as padded batches, packed, and for a Trainer.

The store's label t of a window is the teacher's distribution of token t + 1, given the tokens up to and with t: the same
that a causal student's logits at t are of. So labels are not shifted: logits[:, t] goes with labels[:, t]. The label of a
window's last token, where the store has one, is of what comes after the window. (A store of masked tokens has labels of
the predicted positions alone, which this module does not place.)
"""

from typing import Any, Dict, List, MutableMapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import torch

import decant
from decant import _decant
from decant.errors import InvalidArgumentError, MismatchError
from decant.torch.labels import SoftLabels, soft_labels
from decant.torch.progress import SharedIntegers
from decant.torch.stores import label_width


class TokenLabels:
    """The labels of windows of tokens, one window after the other.

    Attributes:
        labels: `SoftLabels` of all tokens that have one: ids int64 [n, k], log_probs float32 [n, k], tail float32 [n].
        offsets: int64 [windows + 1]; window i has the labels [offsets[i], offsets[i + 1]).
        hashes: uint64 NumPy array [windows], XXH3-64 of each window's tokens; empty when the store does not say.
    """

    def __init__(self, labels: SoftLabels, offsets: torch.Tensor, hashes: Optional[np.ndarray] = None) -> None:
        self.labels = labels
        self.offsets = offsets
        self.hashes = np.empty(0, np.uint64) if hashes is None else hashes

    @classmethod
    def read(cls, store: decant.Store, epoch: int, sample_ids: Any) -> "TokenLabels":
        """Of samples of an epoch of the store. Errors: as `Store.labels_of`; InvalidArgumentError: no windows."""
        if not store.windows:
            raise InvalidArgumentError(f"{store.paths[0]}: the samples are no windows of tokens")
        found = store.labels_of(epoch, sample_ids)
        offsets = torch.from_numpy(found.window_offsets.astype(np.int64))
        return cls(soft_labels(found, label_width(store)), offsets, np.array(found.window_hashes))

    def __len__(self) -> int:
        """Windows."""
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> SoftLabels:
        """The labels of one window: [tokens, k], [tokens, k], [tokens]."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"window {index} of {len(self)}")
        begin, end = self.offsets[index % len(self) :][:2].tolist()
        return SoftLabels(*(part[begin:end] for part in self.labels))


class PackedTokens(NamedTuple):
    """Documents one after the other in rows of equal length.

    Attributes:
        tokens: int64 [B, T].
        labels: `SoftLabels` [B, T, k].
        mask: bool [B, T], which tokens have a label: the loss's `weights`.
        document_ids: int64 [B, T], by place in the lists, -1 for padding: attention must stay within a document, as the
            teacher's did.
    """

    tokens: torch.Tensor
    labels: SoftLabels
    mask: torch.Tensor
    document_ids: torch.Tensor


def padded(labels: TokenLabels, length: Optional[int] = None) -> Tuple[SoftLabels, torch.Tensor]:
    """`SoftLabels` [B, T, k] and the mask, bool [B, T], of the tokens that have a label.

    Args:
        length: T; the most labels of a window by default. Of longer windows, the labels of the first T tokens.
    """
    counts = labels.offsets[1:] - labels.offsets[:-1]
    if length is None:
        length = int(counts.max()) if len(counts) else 0
    places = torch.arange(length)
    mask = places < counts.unsqueeze(1)
    return _taken(labels.labels, torch.where(mask, labels.offsets[:-1, None] + places, -1)), mask


def pack(
    tokens_list: Sequence[Any],
    labels_list: Sequence[SoftLabels],
    length: int,
    *,
    pad_token_id: int = 0,
    keep_last: bool = False,
) -> PackedTokens:
    """Documents end to end, cut into rows of `length` tokens, and their labels in the same places.

    A document that is cut goes on in the next row with its labels, which the teacher gave with all that came before in
    view, while a student sees the row alone: it is taught to guess. Where that matters, give documents that fit.

    The label of a document's last token is of what comes after the document, where the next one stands now: it is masked.

    Args:
        tokens_list: The documents' tokens, int [n] each: lists, arrays or tensors.
        labels_list: Of each, `SoftLabels` with n rows, or n - 1 where the last token has none.
        keep_last: Keeps the last token's label, for teachers that say what comes after a document's end.

    Raises:
        MismatchError: A document with other than n or n - 1 labels: its place is named.
        InvalidArgumentError: Lists that are empty or not of the same length.
    """
    if len(tokens_list) != len(labels_list) or not tokens_list:
        raise InvalidArgumentError(f"{len(tokens_list)} documents and {len(labels_list)} labels; expected as many, and some")
    tokens: List[torch.Tensor] = []
    rows: List[torch.Tensor] = []  # of the labels in one piece; -1: none
    documents: List[torch.Tensor] = []
    begin = 0
    for number, (document, labels) in enumerate(zip(tokens_list, labels_list)):
        tokens.append(torch.as_tensor(document, dtype=torch.int64))
        size, count = len(tokens[-1]), len(labels.tail)
        _check_count(f"document {number}", size, count)
        places = torch.arange(begin, begin + size)
        places[count if keep_last else size - 1 :] = -1
        rows.append(places)
        documents.append(torch.full((size,), number))
        begin += count
    padding = -sum(map(len, tokens)) % length
    joined = SoftLabels(*(torch.cat(part) for part in zip(*labels_list)))
    row_ids = _in_rows(rows, padding, -1, length)
    return PackedTokens(
        _in_rows(tokens, padding, pad_token_id, length),
        _taken(joined, row_ids),
        row_ids >= 0,
        _in_rows(documents, padding, -1, length),
    )


def check_tokens(tokens: Sequence[Any], labels: TokenLabels) -> None:
    """Compares the student's windows of tokens with those that the teacher labelled, by their XXH3-64.

    Args:
        tokens: Of each window, int [n], all of them: not padded, not cut.

    Raises:
        MismatchError: A window is another: other tokens, another tokenizer, another order.
        InvalidArgumentError: Another number of windows, or labels without hashes.
    """
    if len(tokens) != len(labels) or len(labels.hashes) != len(labels):
        raise InvalidArgumentError(
            f"{len(tokens)} windows of tokens, labels of {len(labels)} and {len(labels.hashes)} hashes; expected as many"
        )
    for index, (window, expected) in enumerate(zip(tokens, labels.hashes.tolist())):
        found = _decant.hash_tokens(np.ascontiguousarray(window, dtype=np.uint32))
        if found != expected:
            raise MismatchError(
                f"window {index} is not what the teacher saw: its {len(window)} tokens have the hash {found:#018x}, "
                f"expected {expected:#018x}; tokenizer, text and the order of samples must be the teacher's"
            )


class SoftLabelCollator:
    """Makes batches of windows with soft labels, for DataLoader(collate_fn=...) or a Hugging Face Trainer.

        class Distiller(Trainer):
            def compute_loss(self, model, inputs, return_outputs=False, **_):
                labels, mask = take_soft_labels(inputs)
                outputs = model(**inputs)
                loss = soft_cross_entropy(outputs.logits, labels, temperature=store.temperature, weights=mask)
                return (loss, outputs) if return_outputs else loss

        arguments = TrainingArguments(..., remove_unused_columns=False)  # keeps sample_id
        Distiller(model, arguments, data_collator=SoftLabelCollator(store), train_dataset=windows)

    A feature is a dict with "input_ids", int [n], the tokens of a window, and "sample_id", its number in the store. The
    batch has input_ids and attention_mask, int64 [B, T], padded on the right to the longest window, and what
    `take_soft_labels` takes out again: soft_ids, soft_log_probs, soft_tail, soft_mask.

    Features without sample_id, for an evaluation, give a batch without labels.
    """

    def __init__(
        self,
        store: decant.Store,
        *,
        epoch: int = 0,
        pad_token_id: int = 0,
        max_length: Optional[int] = None,
        pad_to_multiple_of: int = 1,
        check: bool = True,
    ) -> None:
        """
        Args:
            epoch: The store's epoch to read.
            max_length: Longer windows are cut on the right, after the check.
            check: Whether each window is compared with the one that the teacher saw.

        Raises:
            InvalidArgumentError: The store's samples are no windows of tokens, or masked ones.
        """
        if not store.windows or store.schema["views"].get("mask", 0) > 0:
            raise InvalidArgumentError(f"{store.paths[0]}: the samples are no windows of tokens as they are")
        self._store = store
        self._epoch = SharedIntegers(epoch)
        self._pad_token_id = pad_token_id
        self._max_length = max_length
        self._multiple = pad_to_multiple_of
        self._check = check

    def set_epoch(self, epoch: int) -> None:
        """Reads this epoch of the store from the next batch on, in running workers, too."""
        self._epoch[0] = epoch

    def __call__(self, features: Sequence[Dict[str, Any]]) -> Dict[str, torch.Tensor]:
        """Raises: MismatchError: A window is not what the teacher saw, or has not as many tokens as labels."""
        windows = [np.asarray(feature["input_ids"], dtype=np.int64) for feature in features]
        longest = max(map(len, windows))
        length = longest if self._max_length is None else min(longest, self._max_length)
        length += -length % self._multiple
        tokens = torch.full((len(windows), length), self._pad_token_id)
        mask = torch.zeros_like(tokens)
        for row, window in enumerate(windows):
            kept = window[: self._max_length][:length]
            tokens[row, : len(kept)] = torch.from_numpy(kept)
            mask[row, : len(kept)] = 1
        batch = {"input_ids": tokens, "attention_mask": mask}
        if "sample_id" not in features[0]:
            return batch
        labels = TokenLabels.read(self._store, self._epoch[0], [int(feature["sample_id"]) for feature in features])
        if self._check:
            check_tokens(windows, labels)
        for feature, window, count in zip(features, windows, (labels.offsets[1:] - labels.offsets[:-1]).tolist()):
            _check_count(f"sample {feature['sample_id']}", len(window), count)
        soft, soft_mask = padded(labels, length)
        batch.update(soft_ids=soft.ids, soft_log_probs=soft.log_probs, soft_tail=soft.tail)
        batch["soft_mask"] = soft_mask & mask.bool()
        return batch


def take_soft_labels(inputs: MutableMapping[str, Any]) -> Tuple[SoftLabels, torch.Tensor]:
    """Takes the labels out of a batch of `SoftLabelCollator`, so that the rest can be given to the model.

    Returns:
        `SoftLabels` [B, T, k] and the mask, bool [B, T].
    """
    labels = SoftLabels(inputs.pop("soft_ids"), inputs.pop("soft_log_probs"), inputs.pop("soft_tail"))
    return labels, inputs.pop("soft_mask")


# Rows of labels by their numbers, int64 [...], padding for -1.
def _taken(labels: SoftLabels, numbers: torch.Tensor) -> SoftLabels:
    if len(labels.tail) == 0:
        labels = SoftLabels(*(part.new_zeros((1, *part.shape[1:])) for part in labels))
    is_none = numbers < 0
    ids, log_probs, tail = (part[numbers.clamp(min=0)] for part in labels)
    return SoftLabels(
        ids.masked_fill_(is_none.unsqueeze(-1), 0),
        log_probs.masked_fill_(is_none.unsqueeze(-1), -torch.inf),
        tail.masked_fill_(is_none, 0),
    )


def _in_rows(parts: List[torch.Tensor], padding: int, value: int, length: int) -> torch.Tensor:
    return torch.cat([*parts, torch.full((padding,), value)]).reshape(-1, length)


def _check_count(what: str, num_tokens: int, num_labels: int) -> None:
    if num_labels not in (num_tokens, num_tokens - 1):
        raise MismatchError(f"{what} has {num_tokens} tokens and {num_labels} labels; expected as many, or one less")
