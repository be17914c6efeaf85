"""Labels from logits on the device, against plain code in double precision, and with the classes divided among ranks."""

import os
import socket
import subprocess
import sys

import numpy as np
import pytest
import torch

import decant
from decant.torch.selection import Selection, select, tail_from_log_probs, uniforms_of


def make_logits(rows=40, classes=50, scale=3.0, seed=0):
    return scale * torch.randn(rows, classes, generator=torch.Generator().manual_seed(seed))


def plain_top(row, k, temperature=1.0):
    """ids, log_probs and tail of one row, the smaller id first among equals."""
    x = row.astype(np.float64) / temperature
    log_probs = x - np.logaddexp.reduce(x)
    ids = np.sort(np.lexsort((np.arange(len(x)), -row))[:k])
    return ids, log_probs[ids], np.exp(np.delete(log_probs, ids)).sum()


def plain_sample(row, k, offset):
    """producer/threshold_sampling.cc, but for the sum of what is left: {id: probability}."""
    probs = np.exp(row.astype(np.float64) - np.logaddexp.reduce(row.astype(np.float64)))
    ranked = np.lexsort((np.arange(len(row)), -row))[:k]
    head = 0
    while head + 1 < k and 0 < probs[ranked[head]] and probs[ranked[head]] * (k - head) >= np.delete(probs, ranked[:head]).sum():
        head += 1
    certain = set(ranked[:head].tolist())
    others = [i for i in range(len(row)) if i not in certain and probs[i] > 0]
    num_drawn = min(k - head, len(others))
    threshold = probs[others].sum() / num_drawn if num_drawn else 0
    found = {i: probs[i] for i in certain}
    passed, num_passed = 0.0, 0
    for i in others:
        passed += probs[i]
        if num_passed < num_drawn and (passed > (num_passed + offset) * threshold or i == others[-1]):
            num_passed += 1
            found[i] = threshold
    return found


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("k", [1, 7, 50, 80])
def test_the_likeliest_classes(temperature, k):
    logits = make_logits()
    found = select(logits, k=k, temperature=temperature)
    assert found.ids.shape == found.log_probs.shape == (40, min(k, 50))
    for i, row in enumerate(logits.numpy()):
        ids, log_probs, tail = plain_top(row, k, temperature)
        assert found.ids[i].tolist() == ids.tolist()
        np.testing.assert_allclose(found.log_probs[i], log_probs, rtol=1e-5, atol=1e-5)
        assert found.tail[i].item() == pytest.approx(tail, rel=1e-5)
        assert found.lse[i].item() == pytest.approx(np.logaddexp.reduce(row.astype(np.float64) / temperature), rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_of_equal_logits_the_smaller_id(dtype):
    logits = torch.randint(-2, 3, (200, 30), generator=torch.Generator().manual_seed(1)).to(dtype)
    logits[::2] *= -1  # 0 and -0 are equal
    for i, ids in enumerate(select(logits, k=9).ids):
        assert ids.tolist() == plain_top(logits[i].float().numpy(), 9)[0].tolist()


@pytest.mark.parametrize("gap", [5.0, 20.0, 60.0])
def test_the_tail_is_summed_itself(gap):
    logits = torch.cat([torch.full((1, 3), gap), make_logits(1, 40, 1.0)], 1)
    tail = plain_top(logits[0].numpy(), 3)[2]
    assert 0 < select(logits, k=3).tail.item() == pytest.approx(tail, rel=1e-5)


def test_shapes_large_logits_and_many_rows():
    logits = make_logits(6000, 64).reshape(10, 600, 64)
    found = select(logits, k=5)
    assert found.ids.shape == (10, 600, 5) and found.tail.shape == found.lse.shape == (10, 600)
    shifted = select((logits * 1024).round() / 1024 + 8192, k=5)
    torch.testing.assert_close(shifted.log_probs, select((logits * 1024).round() / 1024, k=5).log_probs)
    assert select(torch.zeros(0, 7), k=3).ids.shape == (0, 3)


def test_top_p_keeps_the_fewest():
    logits = make_logits()
    whole, found = select(logits, k=8), select(logits, k=8, p=0.8)
    sizes = set()
    for i, row in enumerate(logits.double()):
        probs = row.softmax(0)
        ranked = probs.argsort(descending=True)
        count = min(8, int((probs[ranked].cumsum(0) < 0.8).sum()) + 1)
        sizes.add(count)
        kept = found.ids[i][found.log_probs[i] > -torch.inf]
        assert kept.tolist() == sorted(ranked[:count].tolist())
        assert found.ids[i, count:].tolist() == [0] * (8 - count)
        assert found.tail[i].item() == pytest.approx(1 - probs[kept].sum().item(), abs=1e-6)
    assert len(sizes) > 3
    assert torch.equal(select(logits, k=8, p=1.0).ids, whole.ids)


def test_classes_that_cannot_be_are_not_listed():
    logits = torch.full((1, 20), -torch.inf)
    logits[0, [3, 11]] = torch.tensor([1.0, 2.0])
    for options in ({}, {"p": 0.99}, {"sample": True, "uniforms": torch.tensor([0.3])}):
        found = select(logits, k=5, **options)
        assert found.ids.tolist() == [[3, 11, 0, 0, 0]]
        assert found.log_probs.isinf().tolist() == [[False, False, True, True, True]]
        assert found.tail.item() == 0


@pytest.mark.parametrize("scale", [0.0, 1.0, 3.0, 20.0])
@pytest.mark.parametrize("k", [1, 12, 49, 50])
def test_samples_are_those_of_the_producer_for_the_same_number(scale, k):
    logits = make_logits(scale=scale)
    uniforms = torch.rand(40, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    found = select(logits, k=k, sample=True, uniforms=uniforms)
    assert not found.tail.any()
    num_equal = 0
    for i, row in enumerate(logits.numpy()):
        wanted = plain_sample(row, k, uniforms[i].item())
        is_entry = found.log_probs[i] > -torch.inf
        probs = found.log_probs[i][is_entry].exp().numpy()
        assert probs.sum() == pytest.approx(1, abs=1e-5)
        if found.ids[i][is_entry].tolist() == sorted(wanted):
            num_equal += 1
            np.testing.assert_allclose(probs, [wanted[j] for j in sorted(wanted)], rtol=1e-5, atol=1e-37)
    # On edges, and where probabilities are below 1e-38, both are right.
    assert num_equal >= (20 if scale == 0 or (scale == 20 and k > 40) else 38)


def test_samples_are_unbiased():
    row = make_logits(1, 30, 2.0, seed=3)
    num_draws = 20000
    uniforms = (torch.arange(num_draws, dtype=torch.float64) + 0.5) / num_draws
    found = select(row.expand(num_draws, 30), k=6, sample=True, uniforms=uniforms)
    mean = torch.zeros(num_draws, 30).scatter_add_(1, found.ids, found.log_probs.exp()).double().mean(0)
    torch.testing.assert_close(mean, row[0].double().softmax(0), rtol=0, atol=1e-4)


def test_numbers_of_keys_are_the_same_everywhere():
    keys = torch.tensor([0, 1, 2, -1, 1 << 60])
    numbers = uniforms_of(7, keys)

    def splitmix64(x):
        x = (x + 0x9E3779B97F4A7C15) % 2**64
        x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        x = (x ^ x >> 27) * 0x94D049BB133111EB % 2**64
        return x ^ x >> 31

    assert splitmix64(0) == 0xE220A8397B1DCDAF  # the generator's published first output
    assert numbers.tolist() == [(splitmix64((splitmix64(7) + key) % 2**64) >> 11) / 2**53 for key in keys.tolist()]
    many = uniforms_of(0, torch.arange(10000))
    assert many.mean().item() == pytest.approx(0.5, abs=0.01) and 0 <= many.min() and many.max() < 1
    logits = make_logits()
    keyed = select(logits, k=5, sample=True, seed=7, keys=torch.arange(40))
    given = select(logits, k=5, sample=True, uniforms=uniforms_of(7, torch.arange(40)))
    assert all(torch.equal(*pair) for pair in zip(keyed, given))
    other = select(logits, k=5, sample=True, seed=8, keys=torch.arange(40))
    assert not torch.equal(keyed.ids, other.ids)


def test_tails_of_rounded_log_probs():
    log_probs = torch.tensor([[0.5, 0.25], [0.75, 0.25], [0.75, 0.2501]]).log()
    padded = torch.nn.functional.pad(log_probs, (0, 1), value=-torch.inf)
    tails = tail_from_log_probs(padded)
    assert tails.dtype == torch.float32
    torch.testing.assert_close(tails, torch.tensor([0.25, 0.0, 0.0]), atol=1e-7, rtol=0)


@pytest.mark.parametrize(
    "options, text",
    [
        ({"k": 0}, "k 0"),
        ({"k": 3, "p": 1.5}, "p 1.5"),
        ({"k": 3, "temperature": 0.0}, "temperature 0.0"),
        ({"k": 3, "sample": True}, "either uniforms or keys"),
        ({"k": 3, "sample": True, "keys": torch.arange(3)}, "keys .3.: expected .40."),
    ],
)
def test_bad_requests_are_one_clear_error(options, text):
    with pytest.raises(decant.InvalidArgumentError, match=text):
        select(make_logits(), **options)


RANKS_OPTIONS = [
    {"k": 7},
    {"k": 50, "temperature": 2.0},
    {"k": 8, "p": 0.8},
    {"k": 12, "sample": True, "seed": 3, "keys": torch.arange(40)},
]


def rank_main(rank, port):
    """One of two processes that have half of the classes each."""
    torch.distributed.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    for logits in (make_logits(), make_logits().round(), make_logits().sort(1).values):
        mine = logits[:, rank * 25 : (rank + 1) * 25]
        for options in RANKS_OPTIONS:
            found = select(mine, group=torch.distributed.group.WORLD, **options)
            wanted = select(logits, **options)
            assert torch.equal(found.ids, wanted.ids), options
            for name in Selection._fields[1:]:
                torch.testing.assert_close(getattr(found, name), getattr(wanted, name), rtol=1e-5, atol=1e-6)
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


def test_classes_divided_among_two_ranks():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ranks = [
        subprocess.Popen([sys.executable, __file__, str(rank), str(port)], env=environment, stderr=subprocess.PIPE)
        for rank in range(2)
    ]
    for rank in ranks:
        _, errors = rank.communicate(timeout=100)
        assert rank.returncode == 0, errors.decode()


if __name__ == "__main__":
    rank_main(int(sys.argv[1]), int(sys.argv[2]))
