import multiprocessing
import os
import pickle
import shutil

import numpy as np
import pytest

import decant
from conftest import run


@pytest.fixture(scope="module")
def store(digits_store):
    return decant.open(digits_store)


def test_says_what_it_is(store):
    assert len(store) == 1200
    assert (store.num_epochs, store.num_classes, store.k, store.temperature) == (3, 10, 4, 1.0)
    assert store.schema["labels"]["k"] == 4
    assert store.digest == store.digest and len(store.digest) == 64
    assert "1,200 samples x 3 epochs, up to 4 of 10 classes, T = 1, complete" in repr(store)


def test_a_label_alone_is_the_label_in_a_batch(store):
    sample_ids = [5, 1199, 0, 5]
    batch = store.labels_of(1, sample_ids)
    assert len(batch) == 4
    for i, sample_id in enumerate(sample_ids):
        ids, log_probs, tail = store.labels(epoch=1, sample_id=sample_id)
        assert ids.dtype == np.uint32 and log_probs.dtype == np.float32
        for mine, other in zip((ids, log_probs, tail), batch[i]):
            np.testing.assert_array_equal(mine, other)
        assert np.exp(log_probs.astype(np.float64)).sum() + tail == pytest.approx(1, abs=1e-5)


def test_order_and_its_inverse(store):
    positions = np.arange(1200).reshape(30, 40)
    sample_ids = store.sample_ids(2, positions)
    assert sample_ids.shape == (30, 40)
    assert sorted(sample_ids.ravel()) == list(range(1200))
    np.testing.assert_array_equal(store.positions(2, sample_ids), positions)


def test_padded_and_dense(store):
    labels = store.labels_of(0, [1, 2, 3])
    ids, log_probs = labels.padded(k=6)
    assert ids.shape == (3, 6) and ids.dtype == np.int64
    assert np.isneginf(log_probs[:, 4:]).all()
    dense = labels.dense(10)
    np.testing.assert_allclose(dense.sum(1), 1, atol=1e-5)
    for row in range(3):
        mine, log_prob, tail = labels[row]
        np.testing.assert_allclose(dense[row, mine], np.exp(log_prob), rtol=1e-6)
        others = np.setdiff1d(np.arange(10), mine)
        np.testing.assert_allclose(dense[row, others], tail / 6, rtol=1e-5)


def test_arrays_outlive_the_labels(store):
    ids = store.labels_of(0, range(100)).ids
    label = store.labels_of(0, range(100))[99]
    del store
    assert ids.max() < 10 and label[0].max() < 10


@pytest.mark.parametrize("world_size", [1, 3])
@pytest.mark.parametrize("threads", [1, 4])
def test_stream_is_the_store_in_order(store, world_size, threads):
    streams = [
        store.stream(96, epochs=[1], rank=rank, world_size=world_size, threads=threads) for rank in range(world_size)
    ]
    position = 0
    for parts in zip(*streams):
        assert {part.position for part in parts} == {position}
        sample_ids = np.concatenate([part.sample_ids for part in parts])
        np.testing.assert_array_equal(sample_ids, store.sample_ids(1, np.arange(position, position + len(sample_ids))))
        for part in parts:
            wanted = store.labels_of(1, part.sample_ids)
            np.testing.assert_array_equal(part.labels.ids, wanted.ids)
            np.testing.assert_array_equal(part.labels.log_probs, wanted.log_probs)
        position += len(sample_ids)
    assert position == 1200


def test_state_continues_in_another_world(store):
    whole = [batch.sample_ids for batch in store.stream(100, num_epochs=2)]
    stream = store.stream(100, num_epochs=2)
    for _ in range(15):
        next(stream)
    state = pickle.loads(pickle.dumps(stream.state()))
    rest = [store.stream(100, num_epochs=2, rank=rank, world_size=2, state=state) for rank in range(2)]
    for wanted, *parts in zip(whole[15:], *rest):
        np.testing.assert_array_equal(np.concatenate([part.sample_ids for part in parts]), wanted)


def test_bad_requests_are_one_clear_error(store, digits_store):
    for call, error, text in [
        (lambda: store.labels(3, 0), decant.InvalidArgumentError, "epoch 3, but there are 3"),
        (lambda: store.labels(0, 1200), decant.InvalidArgumentError, "1200"),
        (lambda: store.labels_of(0, [0, 5000]), decant.InvalidArgumentError, "5000"),
        (lambda: store.stream(0), decant.InvalidArgumentError, "batch"),
        (lambda: store.stream(8, epochs=0), decant.InvalidArgumentError, "expected a list"),
        (lambda: store.stream(8, last_batch="none"), decant.InvalidArgumentError, "last_batch is 'none'"),
        (lambda: store.stream(8, state={"epoch": 1}), decant.InvalidArgumentError, "not the state of a stream"),
        (lambda: store.labels_of(0, [0])[0:1], TypeError, ""),
        (lambda: store.labels_of(0, [0]).dense(10, tail="zero"), decant.InvalidArgumentError, "zero"),
        (lambda: decant.open("/no/store"), decant.NotFoundError, "there is no label store at /no/store"),
        (lambda: decant.open(digits_store, temperature=2), decant.MismatchError, "2"),
        (lambda: decant.open(digits_store, combine="sum"), decant.InvalidArgumentError, "combine is 'sum'"),
        (lambda: decant.open([]), decant.InvalidArgumentError, "no store to open"),
    ]:
        with pytest.raises(error) as raised:
            call()
        assert text in str(raised.value)
    with pytest.raises(KeyError):
        decant.open("/no/store")
    with pytest.raises(ValueError):
        store.labels(3, 0)


def test_a_state_of_another_store_is_refused(store, mixed_store):
    state = decant.open(mixed_store).stream(100).state()
    with pytest.raises(decant.MismatchError):
        store.stream(100, state=state)


def test_damage_is_data_loss(digits_store, tmp_path):
    path = tmp_path / "damaged.decant"
    shutil.copytree(digits_store, path)
    spans = [file for file in (path / "db").glob("*.sst") if file.stat().st_size > 2000]
    for file in spans:
        content = bytearray(file.read_bytes())
        file.chmod(0o644)
        content[200:210] = b"damaged   "
        file.write_bytes(content)
    with pytest.raises(decant.DataLossError) as raised:
        list(decant.open(path).stream(100))
    assert "damaged.decant" in str(raised.value) and "decant verify" in str(raised.value)


def test_several_stores_are_one(digits_store):
    both = decant.open([digits_store, digits_store])
    one = decant.open(digits_store)
    assert both.num_epochs == 6
    np.testing.assert_array_equal(both.labels(4, 7)[0], one.labels(1, 7)[0])
    average = decant.open([digits_store, digits_store], combine="teachers")
    assert average.num_epochs == 3
    ids, log_probs, tail = average.labels(0, 7)
    wanted = dict(zip(*one.labels(0, 7)[:2]))
    assert dict(zip(ids, log_probs)) == pytest.approx(wanted, abs=1e-5)


def _label(store, queue):
    queue.put(store.labels(0, 7)[1].tolist())


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes_open_it_themselves(store, method):
    wanted = store.labels(0, 7)[1].tolist()
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    process = context.Process(target=_label, args=(store, queue))
    process.start()
    assert queue.get(timeout=60) == wanted
    process.join(60)
    assert process.exitcode == 0


def test_forks_beside_a_running_stream_never_hang(store):
    wanted = store.labels(0, 7)[1].tolist()
    stream = store.stream(10, num_epochs=1000, threads=2)
    for _ in range(50):
        next(stream)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                same = store.labels(0, 7)[1].tolist() == wanted
                code = 0 if same and len(next(store.stream(64, threads=2))) == 64 else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_follows_a_store_that_is_being_produced(digits_store, tmp_path):
    run("extract", tmp_path / "part.decant", digits_store, "--epochs", "0:1")
    store = decant.open(tmp_path / "part.decant")
    assert store.num_epochs == 1
    assert store.is_labelled(0, 1199)


def test_views_are_what_the_teacher_saw(store, digits_store, tmp_path):
    views = decant.Views(store)
    assert len(views) == 1200
    pixels = views.render(sample_id=42, epoch=1)
    assert pixels.dtype == np.uint8 and pixels.shape == (8, 8, 1)
    run("view", digits_store.parent / "labels.toml", "--sample", 42, "--epoch", 1, "-o", tmp_path / "view.png")
    image = pytest.importorskip("PIL.Image").open(tmp_path / "view.png")
    np.testing.assert_array_equal(np.asarray(image), pixels[:, :, 0])
    assert views.render(42, 2).tolist() != pixels.tolist()
    with pytest.raises(decant.InvalidArgumentError):  # these views do not scale
        decant.Views(store, size=(16, 16)).render(42, 1)
    again = pickle.loads(pickle.dumps(views))
    np.testing.assert_array_equal(again.render(42, 1), pixels)


def test_views_of_another_dataset_are_refused(store, tmp_path):
    with pytest.raises(decant.NotFoundError):
        decant.Views(store, path=tmp_path / "gone.npz")
    with pytest.raises(decant.MismatchError) as raised:
        decant.Views(store, split="test")
    assert "is not the dataset of" in str(raised.value)
    with pytest.raises(decant.InvalidArgumentError):
        decant.Views(store).render(1200, 0)
