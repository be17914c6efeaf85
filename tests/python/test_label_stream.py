"""Labels in the store's order, and from any point on: any number of DataLoader workers and ranks, however started."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import decant
from decant.torch import LabelledDataset, LabelStream, SoftLabels

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")


@pytest.fixture(scope="module")
def store(digits_store):
    return decant.open(digits_store)


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def loader_of(stream, num_workers, **options):
    if num_workers:
        options.setdefault("persistent_workers", True)
    else:
        options.pop("multiprocessing_context", None)
    return DataLoader(stream, batch_size=None, num_workers=num_workers, **options)


def assert_same_batches(found, wanted):
    """Of LabelBatch, tensors and numbers, in order."""
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted):
        assert type(one) is type(other)
        for name, mine, its in zip(one._fields, one, other):
            if name == "labels":
                assert all(torch.equal(*parts) for parts in zip(mine, its))
            elif isinstance(mine, torch.Tensor):
                assert torch.equal(mine, its), name
            else:
                assert mine == its, name


# Labels


def test_soft_labels_are_padded_tensors_that_collate_and_pin(store):
    batch = next(iter(LabelStream(store, 64)))
    assert batch.labels.ids.dtype == torch.int64 and batch.labels.ids.shape == (64, 4)
    assert batch.labels.log_probs.dtype == torch.float32 and batch.labels.tail.shape == (64,)
    for row, sample_id in enumerate(batch.sample_ids.tolist()):
        ids, log_probs, tail = store.labels(0, sample_id)
        assert batch.labels.ids[row, : len(ids)].tolist() == ids.tolist()
        assert batch.labels.log_probs[row, : len(ids)].tolist() == log_probs.tolist()
        assert (batch.labels.ids[row, len(ids) :] == 0).all()
        assert torch.isneginf(batch.labels.log_probs[row, len(ids) :]).all()
        assert batch.labels.tail[row] == tail
    moved = batch.labels.to("cpu")
    assert isinstance(moved, SoftLabels)
    singles = [SoftLabels(*(part[row] for part in moved)) for row in range(3)]
    collated = torch.utils.data.default_collate(singles)
    assert isinstance(collated, SoftLabels) and collated.ids.shape == (3, 4) and collated.tail.shape == (3,)
    assert isinstance(pickle.loads(pickle.dumps(collated)), SoftLabels)


def test_averages_of_teachers_are_as_wide_as_they_need(digits_store, mixed_store):
    both = decant.open([digits_store, digits_store], combine="teachers")
    assert next(iter(LabelStream(both, 64))).labels.ids.shape == (64, 8)
    assert next(iter(LabelStream(decant.open([digits_store, mixed_store]), 64))).labels.ids.shape == (64, 4)


# LabelStream


@pytest.mark.parametrize("world_size", [1, 3])
@pytest.mark.parametrize("num_workers, method", [(0, "fork"), (1, "fork"), (3, "fork"), (3, "spawn")])
@pytest.mark.parametrize("last_batch", ["short", "drop", "pad"])
def test_workers_and_ranks_share_the_same_batches(store, num_workers, method, world_size, last_batch):
    if method == "spawn" and (last_batch != "short" or world_size > 1):
        pytest.skip("slow")
    wanted = list(store.stream(90, num_epochs=2, last_batch=last_batch))
    streams = [
        LabelStream(store, 90, last_batch=last_batch, rank=rank, world_size=world_size) for rank in range(world_size)
    ]
    loaders = [loader_of(stream, num_workers, multiprocessing_context=method) for stream in streams]
    found = []
    for epoch in range(2):
        for stream in streams:
            stream.set_epoch(epoch)
        parts = [list(loader) for loader in loaders]
        assert {len(part) for part in parts} == {len(streams[0])}
        found += list(zip(*parts))
    assert len(found) == len(wanted)
    for batch, parts in zip(wanted, found):
        for part in parts:
            assert (part.epoch, part.store_epoch) == (batch.epoch, batch.store_epoch)
            assert (part.position, part.global_size) == (batch.position, batch.global_size)
        assert np.concatenate([part.sample_ids for part in parts]).tolist() == batch.sample_ids.tolist()
        assert np.concatenate([part.positions for part in parts]).tolist() == batch.positions.tolist()
        ids, log_probs = batch.labels.padded(4)
        np.testing.assert_array_equal(torch.cat([part.labels.ids for part in parts]), ids)
        np.testing.assert_array_equal(torch.cat([part.labels.log_probs for part in parts]), log_probs)
        np.testing.assert_array_equal(torch.cat([part.labels.tail for part in parts]), batch.labels.tail)


def test_more_workers_than_batches(store):
    found = list(loader_of(LabelStream(store, 1000), 3))
    assert_same_batches(found, list(LabelStream(store, 1000)))


def test_epochs_come_round_in_a_fresh_order(store):
    stream = LabelStream(store, 100, epochs=[2, 0])
    orders = []
    for epoch in range(4):
        stream.set_epoch(epoch)
        batches = list(stream)
        assert {(batch.epoch, batch.store_epoch) for batch in batches} == {(epoch, [2, 0][epoch % 2])}
        orders.append(torch.cat([batch.sample_ids for batch in batches]).tolist())
        assert sorted(orders[-1]) == list(range(1200))
    assert orders[0] != orders[2]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_state_continues_under_another_number_of_workers_and_ranks(store, num_workers):
    whole = []
    stream = LabelStream(store, 96)
    for epoch in range(2):
        stream.set_epoch(epoch)
        whole += list(stream)
    stream.set_epoch(0)
    seen = 0
    for batch in loader_of(stream, num_workers, prefetch_factor=4) if num_workers else loader_of(stream, 0):
        seen += 1
        if seen == 5:
            state = stream.state_dict(batch)
            if num_workers == 0:
                assert state == stream.state_dict()
            break
    assert state["position"] == 5 * 96
    state = pickle.loads(pickle.dumps(state))
    for workers, world_size in [(0, 1), (3, 1), (0, 2), (2, 3)]:
        streams = [LabelStream(store, 96, rank=rank, world_size=world_size) for rank in range(world_size)]
        loaders = [loader_of(one, workers) for one in streams]
        for one in streams:
            one.load_state_dict(state)
            assert one.state_dict() == state
        found = []
        for epoch in range(streams[0].epoch, 2):
            for one in streams:
                one.set_epoch(epoch)
            found += list(zip(*loaders))
        assert len(found) == len(whole) - 5
        for parts, wanted in zip(found, whole[5:]):
            assert torch.equal(torch.cat([part.sample_ids for part in parts]), wanted.sample_ids)
            assert torch.equal(torch.cat([part.labels.log_probs for part in parts]), wanted.labels.log_probs)


def test_state_at_the_end_of_an_epoch_is_the_next_one(store):
    for last_batch in ("short", "drop", "pad"):
        stream = LabelStream(store, 500, last_batch=last_batch)
        *_, last = stream
        again = LabelStream(store, 500, last_batch=last_batch)
        again.load_state_dict(stream.state_dict())
        assert again.epoch == 1
        again.load_state_dict(stream.state_dict(last))
        assert next(iter(again)).epoch == 1


def test_state_of_workers_that_are_ahead_is_refused(store):
    stream = LabelStream(store, 96)
    iterator = iter(loader_of(stream, 2))
    next(iterator)
    with pytest.raises(decant.InvalidArgumentError, match=r"state_dict\(batch\)"):
        stream.state_dict()


def test_states_of_others_are_refused(store, mixed_store):
    stream = LabelStream(store, 96, epochs=[0, 1])
    state = stream.state_dict()
    assert set(state) == {"schema_digest", "epoch", "store_epoch", "position"}
    with pytest.raises(decant.MismatchError, match="another store"):
        LabelStream(decant.open(mixed_store), 96).load_state_dict(state)
    with pytest.raises(decant.MismatchError, match="epochs"):
        LabelStream(store, 96, epochs=[1]).load_state_dict(state)
    with pytest.raises(decant.InvalidArgumentError, match="not the state"):
        stream.load_state_dict({"epoch": 1})
    with pytest.raises(decant.MismatchError, match="worker 1 of 2"):
        stream.load_state_dict({**state, "worker": 1, "num_workers": 2})
    state = store.stream(96, epochs=[0, 1]).state()  # a stream without PyTorch has the same states
    stream.load_state_dict(state)


@pytest.mark.parametrize("num_workers", [0, 3])
def test_stateful_data_loader(store, num_workers):
    stateful = pytest.importorskip("torchdata.stateful_dataloader")
    whole = list(LabelStream(store, 96))
    make = lambda: stateful.StatefulDataLoader(LabelStream(store, 96), batch_size=None, num_workers=num_workers)
    for stop in (0, 1, 5, 12):
        loader = make()
        iterator = iter(loader)
        found = [next(iterator) for _ in range(stop)]
        state = loader.state_dict()
        del iterator
        other = make()
        other.load_state_dict(state)
        assert_same_batches(found + list(other), whole)


def test_copies_set_their_own_epochs(store):
    stream = LabelStream(store, 600)
    for copied in (pickle.loads(pickle.dumps(stream)), copy.deepcopy(stream)):
        loader = loader_of(copied, 1)
        list(loader)
        copied.set_epoch(2)
        assert {batch.epoch for batch in loader} == {2}
        assert stream.epoch == 0


def test_bad_requests_are_one_clear_error(store):
    for call, text in [
        (lambda: LabelStream(store, 0), "batches of 0"),
        (lambda: LabelStream(store, 2000, last_batch="drop"), "batches of 2000 samples, of which an epoch has 1200"),
        (lambda: LabelStream(store, 8, epochs=0), "expected a list"),
        (lambda: LabelStream(store, 8, epochs=[3]), "epoch 3, but there are 3"),
        (lambda: LabelStream(store, 8, last_batch="none"), "last_batch is 'none'"),
        (lambda: LabelStream(store, 8, rank=1), "expected both"),
        (lambda: LabelStream(store, 8, rank=2, world_size=2), "rank 2 of world_size 2"),
        (lambda: LabelStream(store, 2, rank=0, world_size=3), "for 3 ranks"),
        (lambda: LabelStream(store, 1199, rank=0, world_size=2), "some of which would get none"),
    ]:
        with pytest.raises(decant.InvalidArgumentError, match=text):
            call()


def test_the_environment_says_nothing_of_ranks(store, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert len(next(iter(LabelStream(store, 96)))[0]) == 96


def test_errors_in_workers_arrive_as_they_are(store, tmp_path):
    missing = pickle.loads(pickle.dumps(LabelStream(store, 96)))
    missing._store._arguments = ([str(tmp_path / "gone")], *missing._store._arguments[1:])
    with pytest.raises(decant.NotFoundError, match="gone"):
        list(loader_of(missing, 1))


@pytest.fixture(scope="module")
def token_store(tmp_path_factory):
    """Windows of 2 to 7 tokens, of which all but the last have a label."""
    generator = np.random.RandomState(0)
    rows = []
    for length in generator.randint(2, 8, 90):
        log_probs = np.log(generator.dirichlet(np.ones(9), length)[:, :3]).astype(np.float32)
        ids = np.stack([generator.permutation(50)[:3] for _ in range(length)])
        tokens = generator.randint(0, 50, length)
        rows.append({"input_ids": tokens, "target_token_ids": ids, "target_logprobs": log_probs})
    path = tmp_path_factory.mktemp("tokens") / "labels.decant"
    return decant.import_rows(path, rows, num_classes=50, k=3, teacher="t")


@pytest.mark.parametrize("num_workers", [0, 2])
def test_windows_of_tokens(token_store, num_workers):
    count = 0
    for batch in loader_of(LabelStream(token_store, 20), num_workers):
        assert len(batch.labels.tail) == batch.window_offsets[-1] and len(batch.window_offsets) == len(batch[0]) + 1
        for row, sample_id in enumerate(batch.sample_ids.tolist()):
            begin, end = batch.window_offsets[row : row + 2].tolist()
            ids, log_probs = token_store.labels_of(0, [sample_id]).padded(3)
            np.testing.assert_array_equal(batch.labels.ids[begin:end], ids)
            np.testing.assert_array_equal(batch.labels.log_probs[begin:end], log_probs)
            count += 1
    assert count == 90
    dataset = LabelledDataset(list(range(90)), token_store)
    for items in (DataLoader(dataset, batch_size=None, num_workers=num_workers), [dataset.__getitems__([3, 5])[1]]):
        for sample_id, labels in items:
            ids, log_probs = token_store.labels_of(0, [int(sample_id)]).padded(3)
            np.testing.assert_array_equal(labels.ids, ids)
            np.testing.assert_array_equal(labels.log_probs, log_probs)
            assert labels.tail.shape == (len(ids),)


@pytest.mark.parametrize("num_labels", [3, 100000])  # sent by value, and as tensors
def test_labels_travel_between_processes(num_labels):
    labels = SoftLabels(torch.arange(4 * num_labels).view(-1, 4), torch.rand(num_labels, 4), torch.rand(num_labels))
    with torch.multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.apply(twice, (labels,))
    assert isinstance(found, SoftLabels)
    for part, expected in zip(found, labels):
        assert part.dtype == expected.dtype and torch.equal(part, 2 * expected)


def twice(labels):
    return SoftLabels(*(part * 2 for part in labels))
