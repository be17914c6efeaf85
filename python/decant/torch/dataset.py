"""The user's own dataset, with the labels of what the teacher saw."""

import contextlib
import operator
import warnings
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from torch.utils.data import Dataset

import decant
from decant import _decant
from decant.errors import InvalidArgumentError, MismatchError
from decant.torch.external import describe_views, kept_generators, mixes, render_seeded
from decant.torch.identity import dataset_identity
from decant.torch.labels import SoftLabels, soft_labels
from decant.torch.mixing import mix_pair
from decant.torch.progress import SharedIntegers
from decant.torch.stores import checked_epochs, label_width, schemas_of

_NO_FINGERPRINT = 0xFFFF


class LabelledDataset(Dataset):
    """A map-style dataset of (item, SoftLabels) for any sampler, DataLoader and number of workers.

        dataset = LabelledDataset(ImageFolder("train", transform), store)
        loader = DataLoader(dataset, batch_size=256, shuffle=True, num_workers=8, persistent_workers=True)
        for epoch in range(90):
            dataset.set_epoch(epoch)
            for (images, _), labels in loader:
                loss = soft_cross_entropy(model(images), labels)

    Item i is what the teacher saw of sample i in the epoch, with its label. Labels are read fastest in the store's
    order, which `PositionSampler` gives; every order is right.

    * Views of the user's own transform (`decant.Labeller` with a dataset): `dataset` is the same, with the same
      transform. It is seeded as for the teacher, item by item; `random`, NumPy's and PyTorch's generators are put back.
      Each view's fingerprint is compared with the label's. Where the job says so, views are mixed, as `mix` says; then
      items must be images [C, H, W], or tuples that begin with one.
    * Native views: `dataset` is `decant.Views(store)`, which renders the pixels, uint8 [H, W, C]; fingerprints are
      compared. Another dataset is taken as it is, without a look at what it shows.
    * Labels of samples as they are: `dataset` is the same one. Of windows of tokens, the label of sample i has a row
      for each of its labelled tokens.

    Training epoch e shows epochs[e mod n] of the store.
    """

    def __init__(
        self,
        dataset: Any,
        store: decant.Store,
        *,
        epochs: Sequence[int] = (),
        transform: Optional[Callable[[Any], Any]] = None,
        names: Optional[Sequence[str]] = None,
        strict: bool = True,
    ) -> None:
        """
        Args:
            dataset: With `len` and `dataset[i]`, or `decant.Views`. Sample ids are its indices.
            epochs: The store's epochs to show, in turn; all by default.
            transform: Of each item, after mixing; without randomness: it is not the teacher's.
            names: Of the samples, if the labeller was given them.
            strict: Whether a transform, or a version of a library, that is not the teacher's is an error, or only a
                warning. Fingerprints are compared all the same.

        Raises:
            MismatchError: The dataset, its transform or the versions of libraries are not those of the labels.
            InvalidArgumentError: There is no such epoch.
        """
        self._dataset = dataset
        self._store = store
        self._epochs = checked_epochs(store, epochs)
        self._transform = transform
        self._schemas = [{key: schema[key] for key in ("dataset", "seed", "views")} for schema in schemas_of(store)]
        self._k = label_width(store)
        self._shared = SharedIntegers(0)
        self._rendered: Dict[Tuple[int, int], Tuple[Any, int]] = {}  # by epoch and sample, the last two
        self._check(names, strict)

    def __len__(self) -> int:
        return len(self._store)

    @property
    def epoch(self) -> int:
        """The training epoch that is shown."""
        return self._shared[0]

    def set_epoch(self, epoch: int) -> None:
        """Shows this training epoch from the next iteration on, in running persistent workers, too."""
        if epoch < 0:
            raise InvalidArgumentError(f"there is no epoch {epoch}")
        self._shared[0] = epoch

    def __getitem__(self, index: int) -> Tuple[Any, SoftLabels]:
        """Sample `index` as the teacher saw it, and its label: ids int64 [k], log_probs float32 [k], tail float32 [].

        Raises:
            MismatchError: The view's fingerprint is not the label's.
            NotFoundError: The epoch is not labelled yet, or has expired.
            IndexError: There is no such sample.
        """
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> List[Tuple[Any, SoftLabels]]:
        """Several at once, as DataLoader asks for a batch: the labels are read together."""
        sample_ids = [self._sample_id(index) for index in indices]
        epoch = self._epochs[self.epoch % len(self._epochs)]
        found = self._store.labels_of(epoch, sample_ids)
        labels = soft_labels(found, self._k)
        fingerprints = found.view_fingerprints.tolist() or [_NO_FINGERPRINT] * len(sample_ids)
        items = []
        with kept_generators() if self._views_of(epoch).get("kind") == "external" else contextlib.nullcontext():
            for row, (sample_id, fingerprint) in enumerate(zip(sample_ids, fingerprints)):
                rows = slice(*found.window_offsets[row : row + 2].tolist()) if self._store.windows else row
                items.append((self._item(sample_id, epoch, fingerprint), SoftLabels(*(part[rows] for part in labels))))
        return items

    def __getstate__(self) -> Dict[str, Any]:
        return {**self.__dict__, "_rendered": {}}

    def _sample_id(self, index: int) -> int:
        sample_id = operator.index(index)
        if not -len(self) <= sample_id < len(self):
            raise IndexError(f"sample {sample_id} of {len(self)}")
        return sample_id % len(self)

    def _item(self, sample_id: int, epoch: int, fingerprint: int) -> Any:
        views = self._views_of(epoch)
        if isinstance(self._dataset, decant.Views):
            item, found = self._dataset._native.render(sample_id, epoch)
            _compare(epoch, sample_id, found, fingerprint, "it is rendered from another image, or in another way")
        elif views.get("kind") == "external":
            item, found = self._render(sample_id, epoch)
            _compare(
                epoch,
                sample_id,
                found,
                fingerprint,
                "the transform must be the teacher's, and draw from random, NumPy's or PyTorch's global generator alone",
            )
            if mixes(views):
                item = self._mixed(item, sample_id, epoch)
        else:
            item = self._dataset[sample_id]
        return item if self._transform is None else self._transform(item)

    def _views_of(self, epoch: int) -> Dict[str, Any]:
        return self._schemas[self._store._native.epoch_in_store(epoch)[0]]["views"]

    def _mixed(self, own: Any, sample_id: int, epoch: int) -> Any:
        position = self._store.positions(epoch, [sample_id])[0]
        mixing = _decant.mixing_of(self._store._native, epoch, position)
        partner = own if mixing[0] == sample_id else self._render(mixing[0], epoch)[0]
        return mix_pair(own, partner, mixing)

    # The item and its fingerprint. In the store's order partners are neighbours: so nothing is rendered twice.
    def _render(self, sample_id: int, epoch: int) -> Tuple[Any, int]:
        place = (epoch, sample_id)
        if place in self._rendered:
            return self._rendered[place]
        store_index, store_epoch = self._store._native.epoch_in_store(epoch)
        schema = self._schemas[store_index]
        rendered = render_seeded(self._dataset, sample_id, seed=schema["seed"], epoch=store_epoch)
        if mixes(schema["views"]):
            if len(self._rendered) == 2:
                del self._rendered[next(iter(self._rendered))]
            self._rendered[place] = rendered
        return rendered

    def _check(self, names: Optional[Sequence[str]], strict: bool) -> None:
        path = self._store.paths[0]
        if len(self._dataset) != len(self):
            raise MismatchError(f"the dataset has {len(self._dataset)} samples, {path} has labels of {len(self)}")
        if isinstance(self._dataset, decant.Views):
            return
        external = [schema for schema in self._schemas if schema["views"].get("kind") == "external"]
        description = describe_views(self._dataset) if external else ""
        identity = dataset_identity(self._dataset, names) if external else {}
        for schema in external:
            if schema["dataset"].get("kind") == "python" and schema["dataset"] != identity:
                raise MismatchError(
                    f"{path}: the labels are of another dataset, or of one in another order: expected "
                    f"{schema['dataset']}, found {identity}"
                )
            if schema["views"]["description"] == description:
                continue
            text = (
                f"{path}: the views are not described as the teacher's: expected\n{schema['views']['description']}\n"
                f"found\n{description}"
            )
            if strict:
                raise MismatchError(text + "\nstrict=False compares the fingerprints of the views alone")
            warnings.warn(text, stacklevel=3)


def _compare(epoch: int, sample_id: int, found: int, expected: int, explanation: str) -> None:
    if expected not in (found, _NO_FINGERPRINT):
        raise MismatchError(
            f"epoch {epoch}, sample {sample_id}: the view is not the one that the teacher saw: its fingerprint is "
            f"{found:#06x}, expected {expected:#06x}; {explanation}"
        )
