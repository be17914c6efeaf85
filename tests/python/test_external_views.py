"""The user's own transforms: a student sees, item by item, what the teacher saw, or is told that it would not."""

import pickle
import random

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Subset

import decant
from conftest import DIGITS
from decant.torch import (
    LabelledDataset,
    LabelStream,
    PositionSampler,
    dataset_identity,
    describe_views,
    mix,
    render_external,
)

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")

NUM_SAMPLES = 301  # odd, so that the last one has no partner


class Shake:
    """Draws from all three generators: a shift, a contrast and noise."""

    def __init__(self, strength=0.5, more_draws=0):
        self.strength = strength
        self.more_draws = more_draws

    def __repr__(self):
        return f"Shake(strength={self.strength})"

    def __call__(self, image):
        image = np.roll(image, random.randint(-1, 1), axis=1)
        image = image * np.random.uniform(1 - self.strength, 1)
        for _ in range(self.more_draws):
            random.random()
        return torch.from_numpy(image / 16).float()[None] + 0.1 * torch.randn(1, 8, 8)


class Digits:
    """Like torchvision's datasets: (float32 [1, 8, 8], class)."""

    def __init__(self, transform, order=None, num_samples=NUM_SAMPLES):
        order = np.arange(num_samples) if order is None else order
        content = np.load(DIGITS)
        self.data = content["x_train"][order]
        self.targets = content["y_train"][order]
        self.transform = transform

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        return self.transform(self.data[index].astype(np.float64)), int(self.targets[index])


def teacher(images):
    weight = torch.randn(64, 10, generator=torch.Generator().manual_seed(7))
    return images.flatten(1) @ weight / 2


def label(path, dataset, *, seed=5, **views):
    """Labels with all 10 classes, so that a student's logits tell whether it saw the same."""
    job = {
        "labels": {"k": 10, "epochs": 2, "chunk_size": 32, "span_chunks": 4, "calibration_labels": 64},
        "views": {"seed": seed, **views},
        "teacher": {"batch_size": 16},
    }
    with decant.Labeller(path, job, num_classes=10, dataset=dataset, teacher="digits v1") as labeller:
        for span in labeller.spans():
            for batch in span:
                batch.put(teacher(batch.inputs))
    return decant.open(path)


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return label(tmp_path_factory.mktemp("external") / "labels.decant", Digits(Shake()))


@pytest.fixture(scope="module")
def mixed_store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("external_mixed")
    return label(folder / "labels.decant", Digits(Shake()), mixup=0.4, cutmix=0.4)


def assert_seen_by_the_teacher(images, labels):
    log_probs = teacher(images).log_softmax(1).gather(1, labels.ids)
    np.testing.assert_allclose(labels.log_probs, log_probs, atol=0.05)


# What is seen


@pytest.mark.parametrize("num_workers, method", [(0, None), (1, "fork"), (3, "fork"), (2, "spawn")])
@pytest.mark.parametrize("is_mixed", [False, True])
def test_a_student_sees_what_the_teacher_saw(store, mixed_store, num_workers, method, is_mixed):
    opened = mixed_store if is_mixed else store
    dataset = LabelledDataset(Digits(Shake()), opened)
    options = {"persistent_workers": True, "multiprocessing_context": method} if num_workers else {}
    loader = DataLoader(dataset, batch_size=40, shuffle=True, num_workers=num_workers, **options)
    sums = []
    for epoch in (0, 1, 2):
        dataset.set_epoch(epoch)
        found = 0
        sums.append(0.0)
        for (images, classes), labels in loader:
            assert_seen_by_the_teacher(images, labels)
            found += len(classes)
            sums[-1] += images.double().sum().item()
        assert found == NUM_SAMPLES
    assert sums[0] == pytest.approx(sums[2], abs=1e-6) and sums[0] != pytest.approx(sums[1], abs=1e-6)


def test_in_the_stores_order_partners_are_rendered_once(mixed_store):
    class Counting(Digits):
        count = 0

        def __getitem__(self, index):
            Counting.count += 1
            return super().__getitem__(index)

    dataset = LabelledDataset(Counting(Shake()), mixed_store)
    Counting.count = 0
    for (images, _), labels in DataLoader(dataset, batch_sampler=PositionSampler(mixed_store, 50)):
        assert_seen_by_the_teacher(images, labels)
    assert Counting.count == NUM_SAMPLES


def test_mixing_is_the_plain_computation(mixed_store):
    digits = Digits(Shake())
    dataset = LabelledDataset(digits, mixed_store)
    kinds = set()
    for position in range(NUM_SAMPLES):
        sample_id = int(mixed_store.sample_ids(0, [position])[0])
        partner_id, share, is_cutmix, (left, top, width, height) = decant._decant.mixing_of(
            mixed_store._native, 0, position
        )
        (own, _), _ = render_external(digits, sample_id, seed=5, epoch=0)
        (partner, _), _ = render_external(digits, partner_id, seed=5, epoch=0)
        wanted = own.clone()
        if is_cutmix:
            edge = lambda value: int(np.floor(value * 8 + 0.5))
            for y in range(edge(top), edge(top + height)):
                for x in range(edge(left), edge(left + width)):
                    wanted[0, y, x] = partner[0, y, x]
        else:
            wanted = own * share + partner * (1 - share)
        assert torch.equal(dataset[sample_id][0][0], wanted)
        kinds.add("cutmix" if is_cutmix else "mixup" if share < 1 else "own")
        if position == NUM_SAMPLES - 1:
            assert (partner_id, share) == (sample_id, 1)
    assert kinds == {"own", "mixup", "cutmix"}


def test_a_batch_of_a_stream_is_mixed_at_once(mixed_store):
    digits = Digits(Shake())
    for batch in LabelStream(mixed_store, 50):
        views = torch.stack([render_external(digits, i, seed=5, epoch=0)[0][0] for i in batch.sample_ids.tolist()])
        mixed = mix(views, batch.positions, mixed_store, batch.store_epoch)
        assert_seen_by_the_teacher(mixed, batch.labels)


def test_the_odd_last_one_is_never_mixed(tmp_path):
    digits = Digits(Shake(), num_samples=101)
    store = label(tmp_path / "labels.decant", digits, cutmix=1)
    dataset = LabelledDataset(digits, store)
    last = int(store.sample_ids(0, [100])[0])
    assert torch.equal(dataset[last][0][0], render_external(digits, last, seed=5, epoch=0)[0][0])
    for batch in LabelStream(store, 50):
        views = torch.stack([render_external(digits, i, seed=5, epoch=0)[0][0] for i in batch.sample_ids.tolist()])
        assert_seen_by_the_teacher(mix(views, batch.positions, store, 0), batch.labels)


def test_generators_are_put_back(store):
    class Failing(Digits):
        def __getitem__(self, index):
            super().__getitem__(index)
            raise OSError("truncated")

    dataset = LabelledDataset(Digits(Shake()), store)
    states = random.getstate(), pickle.dumps(np.random.get_state()), torch.get_rng_state()
    dataset[7]
    with pytest.raises(OSError):
        render_external(Failing(Shake()), 7, seed=5, epoch=0)
    dataset_identity(Subset(Digits(Shake()), range(10)))
    assert random.getstate() == states[0]
    assert pickle.dumps(np.random.get_state()) == states[1]
    assert torch.equal(torch.get_rng_state(), states[2])


def test_a_pending_normal_number_is_put_back():
    """NumPy draws normal numbers in pairs, and keeps the second one beside its generator's state."""
    digits = Digits(lambda image: image + np.random.standard_normal())
    for before in (0, 0, 1, 2, 1):
        found = []
        for with_view in (False, True):
            np.random.seed(3)
            np.random.standard_normal(before)
            if with_view:
                render_external(digits, 7, seed=5, epoch=0)
                render_external(digits, 8, seed=5, epoch=0)
            found.append(np.random.standard_normal(3).tolist())
        assert found[0] == found[1]


def test_views_depend_on_seed_epoch_and_sample_alone():
    digits = Digits(Shake())
    image, fingerprint = render_external(digits, 7, seed=5, epoch=0)
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    assert torch.equal(render_external(digits, 7, seed=5, epoch=0)[0][0], image[0])
    others = [(7, 6, 0), (7, 5, 1), (8, 5, 0)]
    found = {render_external(digits, sample_id, seed=seed, epoch=epoch)[1] for sample_id, seed, epoch in others}
    assert len(found | {fingerprint}) == 4 and max(found) < 0xFFFF


def test_stores_of_other_seeds_side_by_side(store, tmp_path):
    label(tmp_path / "other.decant", Digits(Shake()), seed=6)
    both = decant.open([store.paths[0], tmp_path / "other.decant"])
    dataset = LabelledDataset(Digits(Shake()), both)
    for epoch in range(4):
        dataset.set_epoch(epoch)
        (images, _), labels = next(iter(DataLoader(dataset, batch_size=64)))
        assert_seen_by_the_teacher(images, labels)


# What is refused


def test_another_transform_is_refused(store):
    with pytest.raises(decant.MismatchError) as raised:
        LabelledDataset(Digits(Shake(strength=0.4)), store)
    assert "expected\nShake(strength=0.5)\n" in str(raised.value)
    assert "found\nShake(strength=0.4)\n" in str(raised.value)


def test_other_versions_are_refused_unless_told_otherwise(store, monkeypatch):
    monkeypatch.setattr(torch, "__version__", "9.9.1+cpu")
    with pytest.raises(decant.MismatchError, match="torch 9.9.1\nstrict=False"):
        LabelledDataset(Digits(Shake()), store)
    with pytest.warns(UserWarning, match="torch 9.9.1"):
        dataset = LabelledDataset(Digits(Shake()), store, strict=False)
    (image, _), labels = dataset[7]
    assert_seen_by_the_teacher(image[None], type(labels)(*(part[None] for part in labels)))


def test_other_draws_are_refused(store):
    """What the description does not show, the fingerprint does."""
    dataset = LabelledDataset(Digits(Shake(more_draws=1)), store)
    with pytest.raises(decant.MismatchError) as raised:
        dataset[7]
    found = render_external(Digits(Shake(more_draws=1)), 7, seed=5, epoch=0)[1]
    expected = store.labels_of(0, [7]).view_fingerprints[0]
    assert str(raised.value).startswith("epoch 0, sample 7: the view is not the one that the teacher saw")
    assert f"its fingerprint is {found:#06x}, expected {expected:#06x}" in str(raised.value)
    with pytest.raises(decant.MismatchError, match="epoch 0, sample"):
        list(DataLoader(dataset, num_workers=1))


def test_another_seed_is_refused(store, monkeypatch):
    dataset = LabelledDataset(Digits(Shake()), store)
    monkeypatch.setitem(dataset._schemas[0], "seed", 6)
    with pytest.raises(decant.MismatchError, match="sample 7"):
        dataset[7]


def test_other_data_is_refused(store):
    for dataset, text in [
        (Digits(Shake(), num_samples=300), "300 samples.*labels of 301"),
        (Digits(Shake(), order=np.arange(NUM_SAMPLES)[::-1]), "another dataset, or of one in another order"),
    ]:
        with pytest.raises(decant.MismatchError, match=text):
            LabelledDataset(dataset, store)
    with pytest.raises(decant.MismatchError, match="another dataset"):
        LabelledDataset(Digits(Shake()), store, names=[str(i) for i in range(NUM_SAMPLES)])
    with pytest.raises(decant.InvalidArgumentError, match="2 names for 301 samples"):
        LabelledDataset(Digits(Shake()), store, names=["a", "b"])


def test_items_that_cannot_be_mixed_are_refused(mixed_store):
    class Dicts(Digits):
        def __getitem__(self, index):
            return {"image": super().__getitem__(index)[0]}

    dataset = LabelledDataset(Dicts(Shake()), mixed_store)
    with pytest.raises(decant.InvalidArgumentError, match="views are mixed.*found dict"):
        dataset[0]


# How it is told


class Folder:
    """Like torchvision's ImageFolder."""

    def __init__(self, root, files):
        self.root = root
        self.samples = [(f"{root}/{name}", target) for name, target in files]

    def __len__(self):
        return len(self.samples)


def fingerprint_of(dataset, names=None):
    identity = dataset_identity(dataset, names)
    assert identity["kind"] == "python" and identity["num_samples"] == len(dataset)
    assert identity["fingerprint"].startswith("sha256:")
    return identity["fingerprint"]


def test_identity_is_what_the_samples_are():
    files = [("cat/1.png", 0), ("cat/2.png", 0), ("dog/1.png", 1)]
    assert fingerprint_of(Folder("/data", files)) == fingerprint_of(Folder("/scratch/copy/", files))
    for other in (files[::-1], [*files[:2], ("dog/1.png", 2)], [("cat/1", 0), ("png/cat/2.png", 0), files[2]]):
        assert fingerprint_of(Folder("/data", other)) != fingerprint_of(Folder("/data", files))
    digits = Digits(Shake())
    assert fingerprint_of(digits) == fingerprint_of(Digits(Shake(strength=0)))
    other = Digits(Shake())
    other.targets = other.targets.tolist()
    assert fingerprint_of(other) == fingerprint_of(other)
    other.targets[3] += 1
    assert fingerprint_of(other) != fingerprint_of(digits)
    names = [str(i) for i in range(NUM_SAMPLES)]
    assert fingerprint_of(digits, names) == fingerprint_of(other, names) != fingerprint_of(digits, names[::-1])


def test_identity_of_what_has_no_names_is_that_of_some_items():
    subset = Subset(Digits(Shake()), range(200))
    assert fingerprint_of(subset) == fingerprint_of(Subset(Digits(Shake()), range(200)))
    assert fingerprint_of(subset) != fingerprint_of(Subset(Digits(Shake()), range(1, 201)))
    image = pytest.importorskip("PIL.Image")
    pictures = [(image.new("L", (4, 4), value), {"class": value, "more": [b"1", None]}) for value in range(3)]
    assert fingerprint_of(pictures) != fingerprint_of(pictures[::-1])


def test_description_shows_the_transform_and_versions():
    digits = Digits(Shake())
    text = describe_views(digits)
    first, versions = text.split("\n")
    assert first == "Shake(strength=0.5)"
    version = torch.__version__.partition("+")[0]
    assert f"torch {version}" in versions and f"numpy {np.__version__}" in versions and "python 3." in versions
    assert describe_views(Subset(Subset(digits, range(10)), range(5))) == text
    assert describe_views(digits, "decoder: simdjpeg 2") == text + "\ndecoder: simdjpeg 2"
    assert describe_views(Digits(lambda image: image)) == describe_views(Digits(lambda image: image))
    assert " at 0x" not in describe_views(Digits(lambda image: image))
    assert describe_views([1, 2]).startswith("builtins.list\n")


def test_torchvision_is_described_and_reproduced(tmp_path):
    transforms = pytest.importorskip("torchvision.transforms")
    image = pytest.importorskip("PIL.Image")
    augment = transforms.Compose(
        [
            image.fromarray,
            transforms.RandomResizedCrop(8, scale=(0.5, 1)),
            transforms.RandAugment(),
            transforms.ColorJitter(0.4),
            transforms.ToTensor(),
            transforms.RandomErasing(),
        ]
    )

    class Pictures(Digits):
        def __getitem__(self, index):
            return self.transform(self.data[index] * np.uint8(15)), int(self.targets[index])

    words = describe_views(Pictures(augment))
    assert "RandomResizedCrop" in words and "torchvision " in words
    assert "torchvision" not in describe_views(Digits(Shake()))
    store = label(tmp_path / "labels.decant", Pictures(augment), mixup=0.5)
    dataset = LabelledDataset(Pictures(augment), store)
    for (images, _), labels in DataLoader(dataset, batch_size=64, shuffle=True, num_workers=2):
        assert_seen_by_the_teacher(images, labels)
