"""The user's own dataset with labels, in any order and in the store's, mixed as the teacher saw it; training in two processes."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import decant
from conftest import DIGITS
from decant.torch import LabelledDataset, LabelStream, PositionSampler, SoftLabels, mix

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")


@pytest.fixture(scope="module")
def store(digits_store):
    return decant.open(digits_store)


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


class Digits(torch.utils.data.Dataset):
    """The digits as they are: (uint8 [8, 8], class)."""

    def __init__(self):
        content = np.load(DIGITS)
        self.images, self.classes = content["x_train"], content["y_train"]

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return torch.from_numpy(self.images[index].reshape(8, 8)), int(self.classes[index])


# PositionSampler


@pytest.mark.parametrize("world_size", [1, 2, 5])
@pytest.mark.parametrize("last_batch", ["short", "drop", "pad"])
def test_sampler_gives_the_batches_of_the_stream(store, world_size, last_batch):
    for epoch in (0, 1, 3, 4):  # of three epochs in the store: two come round again
        parts = []
        for rank in range(world_size):
            sampler = PositionSampler(store, 250, last_batch=last_batch, rank=rank, world_size=world_size)
            sampler.set_epoch(epoch)
            stream = LabelStream(store, 250, last_batch=last_batch, rank=rank, world_size=world_size)
            stream.set_epoch(epoch)
            own = list(sampler)
            assert own == [batch.sample_ids.tolist() for batch in stream]
            assert len(own) == len(sampler)
            parts.append(own)
        batches = [sum(ranks, []) for ranks in zip(*parts)]
        if last_batch == "short":
            in_order = store.sample_ids(epoch % 3, np.arange(1200)).tolist()
            found = sum(batches, [])
            assert sorted(found) == sorted(in_order) and (found == in_order) == (epoch < 3)


def test_sampler_continues_in_another_world(store):
    whole = list(PositionSampler(store, 96))
    sampler = PositionSampler(store, 96)
    iterator = iter(sampler)
    for _ in range(5):
        next(iterator)
    assert sampler.state_dict() == sampler.state_dict(num_batches=5)
    state = sampler.state_dict(num_batches=3)  # two of them are still on the way
    parts = []
    for rank in range(3):
        other = PositionSampler(store, 96, rank=rank, world_size=3)
        other.load_state_dict(state)
        other.set_epoch(other.epoch)
        parts.append(list(other))
        other.set_epoch(1)
        assert len(list(other)) == len(other)
    assert [sum(ranks, []) for ranks in zip(*parts)] == whole[3:]


@pytest.mark.parametrize("last_batch", ["short", "drop"])
@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_sampler_keeps_partners_together(mixed_store, world_size, last_batch):
    store = decant.open(mixed_store)
    for rank in range(world_size):
        for batch in PositionSampler(store, 64, last_batch=last_batch, rank=rank, world_size=world_size):
            positions = set(store.positions(0, batch).tolist())
            assert positions == {position ^ 1 for position in positions}
    with pytest.raises(decant.InvalidArgumentError, match="even batch_size"):
        PositionSampler(store, 45)


@pytest.mark.parametrize("num_workers", [0, 3])
def test_stateful_data_loader_with_a_sampler(store, num_workers):
    stateful = pytest.importorskip("torchdata.stateful_dataloader")
    dataset = LabelledDataset(decant.Views(store), store)

    def make():
        sampler = PositionSampler(store, 96)
        return stateful.StatefulDataLoader(dataset, batch_sampler=sampler, num_workers=num_workers)

    whole = [labels.log_probs for _, labels in make()]
    for stop in (0, 5):
        loader = make()
        iterator = iter(loader)
        found = [next(iterator)[1].log_probs for _ in range(stop)]
        state = loader.state_dict()
        del iterator
        other = make()
        other.load_state_dict(state)
        found += [labels.log_probs for _, labels in other]
        assert len(found) == len(whole) and all(map(torch.equal, found, whole))


@pytest.mark.parametrize("size, world_size, text", [(1199, 2, "some of which would get none"), (2, 3, "for 3 ranks")])
def test_a_rank_without_samples_is_refused(store, size, world_size, text):
    with pytest.raises(decant.InvalidArgumentError, match=text):
        PositionSampler(store, size, rank=0, world_size=world_size)


# LabelledDataset


@pytest.mark.parametrize("num_workers, method", [(0, None), (1, "fork"), (3, "fork"), (2, "spawn")])
def test_items_and_labels_stay_together_in_any_order(store, num_workers, method):
    digits = Digits()
    dataset = LabelledDataset(digits, store)
    options = {"persistent_workers": True, "multiprocessing_context": method} if num_workers else {}
    loader = DataLoader(dataset, batch_size=100, shuffle=True, num_workers=num_workers, **options)
    for epoch in (0, 2):
        dataset.set_epoch(epoch)
        wanted = store.labels_of(epoch, range(1200))
        ids, log_probs = wanted.padded(4)
        row_of = {image.tobytes(): row for row, image in enumerate(digits.images)}
        count = 0
        for (images, classes), labels in loader:
            assert isinstance(labels, SoftLabels)
            rows = [row_of[image.numpy().tobytes()] for image in images]
            assert classes.tolist() == digits.classes[rows].tolist()
            np.testing.assert_array_equal(labels.ids, ids[rows])
            np.testing.assert_array_equal(labels.log_probs, log_probs[rows])
            np.testing.assert_array_equal(labels.tail, wanted.tail[rows])
            count += len(rows)
        assert count == 1200


def test_native_views_are_rendered(store, mixed_store):
    for opened in (store, decant.open(mixed_store)):
        views = decant.Views(opened)
        dataset = LabelledDataset(views, opened, epochs=[1])
        image, labels = dataset[42]
        np.testing.assert_array_equal(image, views.render(42, 1))
        assert image.dtype == np.uint8 and labels.ids.shape == (4,)
        scaled = LabelledDataset(views, opened, epochs=[1], transform=lambda pixels: torch.from_numpy(pixels) / 255)
        images, labels = next(iter(DataLoader(scaled, batch_sampler=PositionSampler(opened, 64, epochs=[1]))))
        assert images.dtype == torch.float32 and images.shape == (64, 8, 8, 1)
    # Views of another store are of the same digits, and not what this one's teacher saw.
    others = LabelledDataset(decant.Views(decant.open(mixed_store)), store)
    with pytest.raises(decant.MismatchError, match="epoch 0, sample .*: the view is not the one"):
        list(DataLoader(others, batch_size=100))


def test_dataset_is_a_sequence(store):
    dataset = LabelledDataset(Digits(), store)
    assert len(dataset) == 1200
    assert torch.equal(dataset[-1][0][0], dataset[torch.tensor(1199)][0][0])
    with pytest.raises(IndexError):
        dataset[1200]
    with pytest.raises(decant.MismatchError, match="10 samples.*labels of 1200"):
        LabelledDataset(torch.utils.data.Subset(Digits(), range(10)), store)


def test_fifty_loaders_fork_after_the_store_was_opened(store):
    dataset = LabelledDataset(decant.Views(store), store)
    stream = LabelStream(store, 100, threads=2)
    running = iter(stream)
    for _ in range(50):
        next(running, None)
        dataset[7]
        loader = DataLoader(dataset, batch_size=100, sampler=range(200), num_workers=2)
        assert sum(len(labels.tail) for _, labels in loader) == 200
        assert len(list(DataLoader(stream, batch_size=None, num_workers=1))) == 12


# Mixing


def native_mix(own, partner, mixing):
    """Of two native views before mixing, in integers, as docs/randomness.md has it."""
    _, share, is_cutmix, (left, top, width, height) = mixing
    if not is_cutmix:
        weight = round(share * 65536)
        return (own.astype(np.int64) * weight + partner.astype(np.int64) * (65536 - weight) + 32768) >> 16
    edge = lambda value: int(np.floor(value * 8 + 0.5))
    mixed = own.copy()
    rows, columns = slice(edge(top), edge(top + height)), slice(edge(left), edge(left + width))
    mixed[rows, columns] = partner[rows, columns]
    return mixed


def test_a_batch_is_mixed_as_its_views_are(mixed_store, digits_store):
    """The same job without mixing gives the views before mixing."""
    store, plain = decant.open(mixed_store), decant.Views(decant.open(digits_store))
    mixed_views = decant.Views(store)
    kinds = {"own": 0, "mixup": 0, "cutmix": 0}
    for batch in LabelStream(store, 100):
        before = np.stack([plain.render(sample_id, 0) for sample_id in batch.sample_ids.tolist()])
        images = torch.from_numpy(before).permute(0, 3, 1, 2)
        found = mix(images, batch.positions, store, batch.store_epoch)
        assert found.dtype == torch.float32 and found.shape == images.shape
        row_of = {position: row for row, position in enumerate(batch.positions.tolist())}
        for row, position in enumerate(batch.positions.tolist()):
            mixing = decant._decant.mixing_of(store._native, 0, position)
            partner = before[row_of[position ^ 1]]
            view = mixed_views.render(batch.sample_ids[row].item(), 0)
            if mixing[1] == 1 and not mixing[2]:
                np.testing.assert_array_equal(before[row], view)
            else:
                np.testing.assert_array_equal(native_mix(before[row], partner, mixing), view)
            # Bytes are rounded, halves up; floats are not.
            assert np.abs(found[row].permute(1, 2, 0).numpy() - view).max() <= 0.5001
            kinds["cutmix" if mixing[2] else "mixup" if mixing[1] < 1 else "own"] += 1
    assert min(kinds.values()) > 50


def test_a_batch_without_partners_is_refused(mixed_store, store):
    mixed = decant.open(mixed_store)
    with pytest.raises(decant.InvalidArgumentError, match="is not in the batch.*PositionSampler"):
        mix(torch.zeros(600, 1, 8, 8), range(0, 1200, 2), mixed, 0)
    with pytest.raises(decant.InvalidArgumentError, match="2 images at 1 positions"):
        mix(torch.zeros(2, 1, 8, 8), [0], mixed, 0)
    images = torch.rand(2, 1, 8, 8)
    assert torch.equal(mix(images, [0, 4], store, 0), images)  # nothing is mixed there


# Several processes


TRAINING = """
import sys, torch, decant
import torch.nn.functional as F
from torch.utils.data import DataLoader
from decant.torch import LabelledDataset, LabelStream, PositionSampler

def cross_entropy(logits, labels):
    log_q = logits.log_softmax(1)
    listed = labels.log_probs.exp()
    unlisted = labels.tail / (10 - torch.isfinite(labels.log_probs).sum(1))
    dense = unlisted[:, None].repeat(1, 10)
    for row in range(len(dense)):
        known = torch.isfinite(labels.log_probs[row])
        dense[row, labels.ids[row][known]] = listed[row][known]
    return -(dense * log_q).sum()

def batches(kind, store, epoch):
    views = decant.Views(store)
    if kind == "stream":
        stream = LabelStream(store, 120)
        stream.set_epoch(epoch)
        for batch in DataLoader(stream, batch_size=None, num_workers=2):
            images = torch.stack([torch.from_numpy(views.render(i, epoch)) for i in batch.sample_ids.tolist()])
            yield images, batch.labels
    else:
        dataset, sampler = LabelledDataset(views, store), PositionSampler(store, 120)
        dataset.set_epoch(epoch)
        sampler.set_epoch(epoch)
        yield from DataLoader(dataset, batch_sampler=sampler, num_workers=2)

def main(path, kind):
    torch.set_num_threads(1)
    group = None
    if len(sys.argv) > 3:
        meeting, rank = "file://" + sys.argv[3], int(sys.argv[4])
        torch.distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2)
        group = torch.distributed
    weight = torch.zeros(64, 10, dtype=torch.float64, requires_grad=True)
    for epoch in range(2):
        for images, labels in batches(kind, decant.open(path), epoch):
            loss = cross_entropy(images.flatten(1).double() / 255 @ weight, labels)
            loss.backward()
            total = loss.detach().clone()
            if group:
                group.all_reduce(weight.grad)
                group.all_reduce(total)
            with torch.no_grad():
                weight -= 0.01 * weight.grad
                weight.grad.zero_()
            if not group or group.get_rank() == 0:
                print(f"{total.item():.6f}")

main(sys.argv[1], sys.argv[2])
"""


@pytest.mark.parametrize("kind", ["stream", "dataset"])
def test_two_processes_train_as_one(digits_store, tmp_path, kind):
    command = [sys.executable, "-W", "ignore", "-c", TRAINING, str(digits_store), kind]
    start = lambda *more: subprocess.Popen([*command, *more], stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    processes = [start(), *(start(str(tmp_path / "meeting"), str(rank)) for rank in range(2))]
    alone, first, second = [process.communicate(timeout=200)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(alone) == 20 and second == []
    np.testing.assert_allclose(np.array(first, float), np.array(alone, float), rtol=1e-6)
    assert float(alone[-1]) < float(alone[0])
