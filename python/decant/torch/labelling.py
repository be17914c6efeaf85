"""The views of a dataset of the user's own, as `decant.Labeller` hands them to the teacher."""

from typing import Any, Callable, Iterator, List, Sequence, Tuple

import numpy as np
from torch.utils.data import DataLoader, Dataset, default_collate

from decant.labeller import Batch, Labeller, LabellerSpan
from decant.torch.external import mixes, render_external
from decant.torch.mixing import Mixing, mix_pair


class ExternalBatch(Batch):
    """Views of the user's own dataset.

    Attributes:
        items: What `collate` makes of the items.
        inputs: Of tuples and lists their first part, for instance the images; else all of `items`.
    """

    def __init__(
        self, labeller: Labeller, span: LabellerSpan, positions: np.ndarray, items: Any, fingerprints: List[int]
    ) -> None:
        super().__init__(labeller, span, positions)
        self._keep_columns(np.array(fingerprints, np.uint16), np.empty(0, np.uint32))
        self.items = items
        self.inputs = items[0] if isinstance(items, (tuple, list)) else items


class SpanViews(Dataset):
    """The views of a span: (item, fingerprint) by their place in it. Partners are rendered again: rarely elsewhere."""

    def __init__(self, dataset: Any, seed: int, epoch: int, sample_ids: Sequence[int], mixings: List[Mixing]) -> None:
        self._dataset = dataset
        self._seed = seed
        self._epoch = epoch
        self._sample_ids = sample_ids
        self._mixings = mixings

    def __len__(self) -> int:
        return len(self._sample_ids)

    def __getitem__(self, index: int) -> Tuple[Any, int]:
        sample_id = int(self._sample_ids[index])
        item, fingerprint = self._render(sample_id)
        if self._mixings:
            mixing = self._mixings[index]
            item = mix_pair(item, item if mixing[0] == sample_id else self._render(mixing[0])[0], mixing)
        return item, fingerprint

    def _render(self, sample_id: int) -> Tuple[Any, int]:
        return render_external(self._dataset, sample_id, seed=self._seed, epoch=self._epoch)


class _Collate:
    def __init__(self, collate: Callable[[List[Any]], Any]) -> None:
        self._collate = collate

    def __call__(self, rows: List[Tuple[Any, int]]) -> Tuple[Any, List[int]]:
        return self._collate([item for item, _ in rows]), [fingerprint for _, fingerprint in rows]


def external_batches(
    labeller: Labeller, span: LabellerSpan, batches: List[np.ndarray]
) -> Iterator[ExternalBatch]:
    """The batches of a span, rendered by the labeller's worker processes if it has any."""
    positions = span.positions
    mixings: List[Mixing] = []
    if mixes(labeller.schema["views"]):
        mixings = [labeller._native.mixing_of(span.epoch, position) for position in positions.tolist()]
    views = SpanViews(labeller._dataset, labeller.schema["seed"], span.epoch, span.sample_ids, mixings)
    places, begin = [], 0
    for batch in batches:
        places.append(list(range(begin, begin + len(batch))))
        begin += len(batch)
    loader = DataLoader(
        views,
        batch_sampler=places,
        num_workers=labeller._num_workers,
        collate_fn=_Collate(labeller._collate or default_collate),
    )
    for batch, (items, fingerprints) in zip(batches, loader):
        yield ExternalBatch(labeller, span, batch, items, fingerprints)
