"""Labels of tokens, in padded batches, packed, and through a collator."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import decant
from decant.torch.labels import SoftLabels
from decant.torch.loss import soft_cross_entropy
from decant.torch.tokens import SoftLabelCollator, TokenLabels, check_tokens, pack, padded, take_soft_labels

VOCABULARY = 40


def make_rows(num_rows=20, k=4):
    """What an engine gave: entry t is the distribution of the token after token t."""
    generator = np.random.default_rng(0)
    rows = []
    for length in generator.integers(3, 12, num_rows):
        log_probs = np.log(generator.dirichlet(np.full(VOCABULARY, 0.2), size=length) + 1e-9)
        ids = np.argsort(-log_probs, 1)[:, :k]
        rows.append(
            {
                "input_ids": generator.integers(0, VOCABULARY, length).tolist(),
                "target_token_ids": ids.tolist(),
                "target_logprobs": np.take_along_axis(log_probs, ids, 1).tolist(),
            }
        )
    return rows


@pytest.fixture(scope="module")
def rows():
    return make_rows()


def import_store(path, rows, shift):
    job = {"labels": {"chunk_size": 8, "calibration_labels": 0}}
    return decant.import_rows(path, rows, num_classes=VOCABULARY, k=4, shift=shift, teacher="engine", job=job)


@pytest.fixture(scope="module")
def store(tmp_path_factory, rows):
    """A label for every token."""
    return import_store(tmp_path_factory.mktemp("tokens") / "labels.decant", rows, 0)


@pytest.fixture(scope="module")
def shorter_store(tmp_path_factory, rows):
    """A label for every token but the last."""
    return import_store(tmp_path_factory.mktemp("shorter") / "labels.decant", rows, 1)


def label_of(number, k=2):
    """A label that can be told from others."""
    return torch.tensor([number, number + 1]), torch.tensor([0.5, 0.25]).log(), torch.tensor(0.25)


def labels_of(numbers):
    return SoftLabels(*(torch.stack(part) for part in zip(*map(label_of, numbers))))


def test_labels_of_windows(store, rows):
    labels = TokenLabels.read(store, 0, [3, 0, 3])
    assert len(labels) == 3 and labels.offsets.tolist()[-1] == len(labels.labels.tail)
    for index, sample_id in enumerate([3, 0, 3]):
        window = labels[index]
        assert window.ids.shape == (len(rows[sample_id]["input_ids"]), 4)
        for place, ids in enumerate(rows[sample_id]["target_token_ids"]):
            assert window.ids[place].tolist() == sorted(ids)
    assert torch.equal(labels[-1].tail, labels[2].tail)
    with pytest.raises(IndexError, match="window 3 of 3"):
        labels[3]


def test_padded_batches(store, rows):
    labels = TokenLabels.read(store, 0, range(20))
    soft, mask = padded(labels)
    assert soft.ids.shape == (20, max(len(row["input_ids"]) for row in rows), 4)
    assert mask.sum(1).tolist() == [len(row["input_ids"]) for row in rows]
    for index in range(20):
        for part, of_window in zip(soft, labels[index]):
            assert torch.equal(part[index][mask[index]], of_window)
    assert soft.log_probs[~mask].eq(-torch.inf).all() and not soft.tail[~mask].any() and not soft.ids[~mask].any()
    shorter, short_mask = padded(labels, 2)
    assert short_mask.all() and torch.equal(shorter.ids, soft.ids[:, :2])


def test_packed_documents_keep_their_labels():
    tokens = [[10, 11, 12], np.array([20, 21]), torch.tensor([30, 31, 32, 33])]
    labels = [labels_of([1, 2, 3]), labels_of([4]), labels_of([6, 7, 8, 9])]  # the second has none for its last token
    packed = pack(tokens, labels, 5, pad_token_id=99)
    assert packed.tokens.tolist() == [[10, 11, 12, 20, 21], [30, 31, 32, 33, 99]]
    assert packed.document_ids.tolist() == [[0, 0, 0, 1, 1], [2, 2, 2, 2, -1]]
    # The last token's label of a document, where there is one, is of what follows the document.
    assert packed.mask.tolist() == [[True, True, False, True, False], [True, True, True, False, False]]
    assert packed.labels.ids[..., 0].tolist() == [[1, 2, 0, 4, 0], [6, 7, 8, 0, 0]]
    assert packed.labels.log_probs[~packed.mask].eq(-torch.inf).all()
    with_last = pack(tokens, labels, 5, keep_last=True)
    assert with_last.labels.ids[..., 0].tolist() == [[1, 2, 3, 4, 0], [6, 7, 8, 9, 0]]
    assert with_last.mask.tolist() == [[True, True, True, True, False], [True, True, True, True, False]]


def test_a_document_may_be_cut_between_rows():
    packed = pack([range(7)], [labels_of(range(1, 8))], 3)
    assert packed.tokens.tolist() == [[0, 1, 2], [3, 4, 5], [6, 0, 0]]
    assert packed.labels.ids[..., 0].tolist() == [[1, 2, 3], [4, 5, 6], [0, 0, 0]]


def test_labels_that_do_not_fit_are_named():
    with pytest.raises(decant.MismatchError, match="document 1 has 3 tokens and 4 labels"):
        pack([[1], [1, 2, 3]], [labels_of([1]), labels_of([1, 2, 3, 4])], 5)
    with pytest.raises(decant.InvalidArgumentError, match="1 documents and 0 labels"):
        pack([[1]], [], 5)


def test_tokens_are_those_that_the_teacher_saw(store, rows):
    labels = TokenLabels.read(store, 0, [1, 2])
    windows = [rows[1]["input_ids"], torch.tensor(rows[2]["input_ids"])]
    check_tokens(windows, labels)
    with pytest.raises(decant.MismatchError, match="window 0 is not what the teacher saw"):
        check_tokens(windows[::-1], labels)
    with pytest.raises(decant.InvalidArgumentError, match="1 windows of tokens, labels of 2"):
        check_tokens(windows[:1], labels)


@pytest.mark.parametrize("name", ["store", "shorter_store"])
@pytest.mark.parametrize("num_workers", [0, 2])
def test_collator_in_a_loader(name, num_workers, rows, request):
    store = request.getfixturevalue(name)
    features = [{"input_ids": row["input_ids"], "sample_id": i} for i, row in enumerate(rows)]
    loader = DataLoader(
        features, batch_size=6, collate_fn=SoftLabelCollator(store, pad_token_id=7), num_workers=num_workers
    )
    missing = 0 if name == "store" else 1
    seen = 0
    for batch in loader:
        labels, mask = take_soft_labels(batch)
        assert sorted(batch) == ["attention_mask", "input_ids"]
        assert mask.shape == batch["input_ids"].shape == labels.tail.shape
        for row, tokens in enumerate(batch["input_ids"]):
            expected = rows[seen + row]["input_ids"]
            assert tokens[: len(expected)].tolist() == expected and tokens[len(expected) :].eq(7).all()
            assert batch["attention_mask"][row].sum() == len(expected)
            assert mask[row].sum() == len(expected) - missing
            wanted = rows[seen + row]["target_token_ids"][missing]
            assert labels.ids[row, 0].tolist() == sorted(wanted)
        logits = torch.randn(*mask.shape, VOCABULARY, requires_grad=True)
        soft_cross_entropy(logits, labels, weights=mask).backward()
        assert torch.equal(logits.grad.abs().sum(-1) > 0, mask)
        seen += len(mask)
    assert seen == 20


def test_collator_cuts_checks_and_lets_evaluation_pass(store, rows):
    features = [{"input_ids": row["input_ids"], "sample_id": i} for i, row in enumerate(rows[:4])]
    batch = SoftLabelCollator(store, max_length=3)(features)
    assert batch["input_ids"].shape == batch["soft_mask"].shape == (4, 3)
    batch = SoftLabelCollator(store, max_length=3, pad_to_multiple_of=8)(features)
    assert batch["soft_ids"].shape == (4, 8, 4)
    assert batch["soft_mask"].sum(1).tolist() == batch["attention_mask"].sum(1).tolist() == [3] * 4
    assert "soft_ids" not in SoftLabelCollator(store)([{"input_ids": [1, 2]}])
    features[1]["input_ids"] = features[1]["input_ids"][:-1] + [0, 0]
    with pytest.raises(decant.MismatchError, match="window 1 is not"):
        SoftLabelCollator(store)(features)
    with pytest.raises(decant.MismatchError, match="sample 1 has"):
        SoftLabelCollator(store, check=False)([{**features[1], "input_ids": [1]}])


def test_samples_that_are_no_windows_are_refused(digits_store):
    images = decant.open(digits_store)
    with pytest.raises(decant.InvalidArgumentError, match="no windows"):
        TokenLabels.read(images, 0, [0])
    with pytest.raises(decant.InvalidArgumentError, match="no windows"):
        SoftLabelCollator(images)
