"""Stores of labels that other engines gave."""

import collections

import numpy as np
import pytest

import decant
from conftest import run

VOCABULARY = 40


def make_rows(num_rows=30, k=4, seed=0):
    """Tokens and, for each token, the distribution of it given those before: axolotl's way."""
    generator = np.random.default_rng(seed)
    rows = []
    for _ in range(num_rows):
        length = int(generator.integers(3, 12))
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


OPTIONS = {"num_classes": VOCABULARY, "k": 4, "teacher": "engine 1.0", "job": {"labels": {"chunk_size": 8, "calibration_labels": 0}}}


def test_rows_become_windows(tmp_path):
    rows = make_rows()
    store = decant.import_rows(tmp_path / "labels.decant", rows, **OPTIONS)
    run("verify", tmp_path / "labels.decant")
    assert len(store) == 30 and store.windows
    assert store.schema["teacher"] == {
        "kind": "python",
        "name": "engine 1.0",
        "tail": "from rounded log-probabilities",
    }
    for number, row in enumerate(rows):
        labels = store.labels_of(0, [number])
        assert len(labels) == len(row["input_ids"]) - 1  # what precedes the first token is nowhere
        for place in range(len(labels)):
            ids, log_probs, tail = labels[place]
            wanted = dict(zip(row["target_token_ids"][place + 1], row["target_logprobs"][place + 1]))
            assert dict(zip(ids.tolist(), log_probs)) == pytest.approx(wanted, abs=0.05)
            assert tail == pytest.approx(max(0, 1 - np.exp(list(wanted.values())).sum()), abs=0.01)


def test_vllm_rows_are_the_same(tmp_path):
    Logprob = collections.namedtuple("Logprob", "logprob rank")
    rows = make_rows()
    vllm = []
    for row in rows:
        entries = [
            {token: Logprob(log_prob, i) for i, (token, log_prob) in enumerate(zip(ids, log_probs))}
            for ids, log_probs in zip(row["target_token_ids"], row["target_logprobs"])
        ]
        vllm.append({"prompt_token_ids": row["input_ids"], "prompt_logprobs": [None] + entries[1:]})
    first = decant.import_rows(tmp_path / "a.decant", rows, **OPTIONS)
    second = decant.import_rows(tmp_path / "b.decant", vllm, **OPTIONS)
    assert first.digest == second.digest


def test_begun_again_it_is_the_same_and_other_rows_are_refused(tmp_path):
    rows = make_rows()
    digest = decant.import_rows(tmp_path / "labels.decant", rows, **OPTIONS).digest
    assert decant.import_rows(tmp_path / "labels.decant", rows, **OPTIONS).digest == digest
    with pytest.raises(decant.MismatchError, match="dataset.fingerprint"):
        decant.import_rows(tmp_path / "labels.decant", make_rows(seed=1), **OPTIONS)


@pytest.mark.parametrize(
    "change, text",
    [
        (lambda row: row.pop("input_ids"), "row 7 has none of input_ids"),
        (lambda row: row["target_token_ids"].pop(), "row 7: .* expected a list of ids"),
        (lambda row: row["target_token_ids"][1].append(3), "row 7: .* expected a list of ids"),
        (lambda row: row["target_token_ids"][1].__setitem__(0, VOCABULARY), "row 7: a class 40, with num_classes 40"),
        (lambda row: row["input_ids"].__setitem__(0, VOCABULARY), "row 7: a token 40"),
        (lambda row: row["target_logprobs"].__setitem__(1, [0.0, 0.0, 0.0, 0.0]), "row 7: .* sum to 4"),
        (lambda row: row["target_logprobs"].__setitem__(1, [float("nan")] * 4), "row 7: .* NaN"),
    ],
)
def test_bad_rows_are_named(tmp_path, change, text):
    rows = make_rows()
    change(rows[7])
    with pytest.raises(decant.InvalidArgumentError, match=text):
        decant.import_rows(tmp_path / "labels.decant", rows, **OPTIONS)
