"""The sparse losses against the dense formulas, in float64, by value and by gradient."""

import numpy as np
import pytest
import torch

import decant
from decant.torch import SoftCrossEntropy, SoftLabels, soft_cross_entropy
from kept_results import KeptResults

TAILS = ["uniform", "renormalise", "ghost"]


def make_labels(num_rows, num_classes, k, *, seed=0, padding=0, tail=None):
    """Labels of k entries and padding, with the tail that is missing to 1."""
    generator = torch.Generator().manual_seed(seed)
    probs = torch.softmax(3 * torch.randn(num_rows, num_classes, generator=generator, dtype=torch.float64), 1)
    if tail is not None:
        likeliest = probs.topk(k)
        listed = likeliest.values / likeliest.values.sum(1, keepdim=True) * (1 - tail)
        ids, mass = likeliest.indices, torch.full((num_rows,), float(tail), dtype=torch.float64)
    else:
        listed, ids = probs.topk(k)
        mass = (1 - listed.sum(1)).clamp(min=0)
    if k == num_classes:
        mass = torch.zeros(num_rows, dtype=torch.float64)
    log_probs = torch.nn.functional.pad(listed.log(), (0, padding), value=-torch.inf)
    return SoftLabels(torch.nn.functional.pad(ids, (0, padding)), log_probs.float(), mass.float())


def dense_loss(logits, labels, tail, temperature=1.0, divergence=False):
    """The definitions, row by row, in float64: [N]."""
    x = logits.double() / temperature
    log_q = torch.log_softmax(x, 1)
    losses = []
    for row in range(len(x)):
        listed = labels.log_probs[row] > -torch.inf
        ids, p, mass = labels.ids[row][listed], labels.log_probs[row][listed].double().exp(), labels.tail[row].double()
        others = torch.ones(x.shape[1], dtype=torch.bool).index_fill(0, ids, False)
        target = torch.zeros(x.shape[1], dtype=torch.float64)
        extra, extra_entropy = 0, 0
        if tail == "renormalise":
            p = p / p.sum()
        elif tail == "uniform" and others.any():
            target[others] = mass / others.sum()
        elif tail == "ghost" and others.any() and mass > 0:
            extra = mass * torch.logsumexp(log_q[row][others], 0)
            extra_entropy = mass * mass.log()
        target[ids] = p
        loss = -(target * log_q[row]).sum() - extra
        if divergence:
            loss = loss + torch.xlogy(target, target).sum() + extra_entropy
        losses.append(loss)
    return torch.stack(losses)


def check(logits, labels, *, rtol=2e-5, **options):
    mine = logits.clone().requires_grad_()
    other = logits.double().requires_grad_()
    loss = soft_cross_entropy(mine, labels, **options)
    tail, temperature = options.get("tail", "uniform"), options.get("temperature", 1.0)
    wanted = temperature**2 * dense_loss(other, labels, tail, temperature, options.get("divergence", False)).mean()
    loss.backward()
    wanted.backward()
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(wanted.item(), rel=rtol, abs=rtol)
    scale = other.grad.abs().max().item()
    torch.testing.assert_close(mine.grad.double(), other.grad, rtol=1e-4, atol=rtol * scale + 1e-12)


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("k", [1, 5, 29, 30])
def test_equals_the_dense_formula(tail, temperature, k):
    logits = 3 * torch.randn(11, 30, generator=torch.Generator().manual_seed(1))
    check(logits, make_labels(11, 30, k), tail=tail, temperature=temperature)


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("divergence", [False, True])
def test_padding_changes_nothing(tail, divergence):
    logits = torch.randn(7, 20, generator=torch.Generator().manual_seed(2))
    labels = make_labels(7, 20, 4, padding=3)
    check(logits, labels, tail=tail, divergence=divergence)
    without = SoftLabels(labels.ids[:, :4], labels.log_probs[:, :4], labels.tail)
    a = soft_cross_entropy(logits, labels, tail=tail, divergence=divergence)
    b = soft_cross_entropy(logits, without, tail=tail, divergence=divergence)
    assert a.item() == pytest.approx(b.item(), rel=1e-6)


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("mass", [0.0, 1e-8, 1e-3, 0.5])
@pytest.mark.parametrize("scale", [1.0, 100.0, 1e4])
def test_large_logits_and_small_tails(tail, mass, scale):
    logits = scale * torch.randn(6, 50, generator=torch.Generator().manual_seed(3))
    check(logits, make_labels(6, 50, 5, tail=mass), tail=tail)


@pytest.mark.parametrize("tail", TAILS)
def test_the_divergence_of_equal_distributions_is_0(tail):
    labels = make_labels(5, 12, 12)
    logits = torch.empty(5, 12).scatter_(1, labels.ids, labels.log_probs)
    assert soft_cross_entropy(logits, labels, tail=tail, divergence=True).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("tail", TAILS)
def test_gradient_by_finite_differences(tail):
    labels = make_labels(3, 8, 3, seed=5)
    logits = torch.randn(3, 8, generator=torch.Generator().manual_seed(6))
    mine = logits.clone().requires_grad_()
    soft_cross_entropy(mine, labels, tail=tail, reduction="sum").backward()
    step = 1e-2
    for place in [(0, 0), (1, 3), (2, 7), (0, int(labels.ids[0, 0]))]:
        up, down = logits.clone(), logits.clone()
        up[place] += step
        down[place] -= step
        slope = (soft_cross_entropy(up, labels, tail=tail, reduction="sum")
                 - soft_cross_entropy(down, labels, tail=tail, reduction="sum")) / (2 * step)
        assert mine.grad[place].item() == pytest.approx(slope.item(), abs=2e-3)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_hard_classes_and_mixed_ones(temperature, label_smoothing):
    logits = torch.randn(9, 15, generator=torch.Generator().manual_seed(7))
    labels = make_labels(9, 15, 4)
    classes = torch.randint(15, (9, 2), generator=torch.Generator().manual_seed(8))
    shares = torch.rand(9, 1, generator=torch.Generator().manual_seed(9)) * torch.tensor([[1.0, -1.0]])
    shares[:, 1] += 1
    options = {"alpha": 0.3, "temperature": temperature, "label_smoothing": label_smoothing}
    for hard in (classes[:, 0], (classes, shares)):
        mine, other = logits.clone().requires_grad_(), logits.double().requires_grad_()
        soft_cross_entropy(mine, labels, hard=hard, **options).backward()
        one_hot = torch.nn.functional.one_hot(classes, 15).double()
        target = (one_hot * shares[..., None]).sum(1) if isinstance(hard, tuple) else one_hot[:, 0]
        target = (1 - label_smoothing) * target + label_smoothing / 15
        hard_loss = -(target * torch.log_softmax(other, 1)).sum(1).mean()
        soft_loss = dense_loss(other, labels, "uniform", temperature).mean()
        (0.3 * temperature**2 * soft_loss + 0.7 * hard_loss).backward()
        torch.testing.assert_close(mine.grad.double(), other.grad, rtol=1e-4, atol=1e-6)


def test_weights_leave_rows_out():
    logits = torch.randn(2, 5, 15, generator=torch.Generator().manual_seed(10))
    flat = make_labels(10, 15, 4)
    labels = SoftLabels(flat.ids.view(2, 5, 4), flat.log_probs.view(2, 5, 4), flat.tail.view(2, 5))
    weights = torch.tensor([[1.0, 1, 1, 0, 0], [1, 0, 0, 0, 0]])
    logits[1, 4] = float("nan")
    mine = logits.clone().requires_grad_()
    loss = soft_cross_entropy(mine, labels, weights=weights)
    kept = weights.reshape(-1) > 0
    wanted = dense_loss(logits.view(10, 15)[kept], SoftLabels(*(part[kept] for part in flat)), "uniform").mean()
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    rows = soft_cross_entropy(logits, labels, reduction="none")
    assert rows.shape == (2, 5)
    assert soft_cross_entropy(logits, labels, weights=weights, reduction="sum").item() == pytest.approx(4 * wanted.item(), rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_logits(dtype):
    logits = torch.randn(8, 40, generator=torch.Generator().manual_seed(11)).to(dtype)
    labels = make_labels(8, 40, 6)
    mine = logits.clone().requires_grad_()
    loss = soft_cross_entropy(mine, labels)
    loss.backward()
    other = logits.double().requires_grad_()
    wanted = dense_loss(other, labels, "uniform").mean()
    wanted.backward()
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    assert mine.grad.dtype == dtype
    torch.testing.assert_close(mine.grad.double(), other.grad, rtol=2e-2, atol=1e-4)


def test_many_rows_are_worked_on_in_parts():
    logits = torch.randn(3000, 100, generator=torch.Generator().manual_seed(12))
    check(logits, make_labels(3000, 100, 7), tail="ghost")


def test_bound_to_a_store(digits_store):
    store = decant.open(digits_store)
    labels = store.labels_of(0, range(20))
    ids, log_probs = labels.padded()
    soft = SoftLabels(torch.from_numpy(ids), torch.from_numpy(log_probs), torch.from_numpy(labels.tail.copy()))
    logits = torch.randn(20, 10, generator=torch.Generator().manual_seed(13))
    dense = torch.from_numpy(labels.dense(10))
    wanted = -(dense * torch.log_softmax(logits, 1)).sum(1).mean()
    assert SoftCrossEntropy(store)(logits, soft).item() == pytest.approx(wanted.item(), rel=1e-5)
    with pytest.raises(decant.MismatchError, match="11 classes"):
        SoftCrossEntropy(store)(torch.zeros(20, 11), soft)


def test_bad_requests_are_one_clear_error():
    labels = make_labels(4, 10, 3)
    logits = torch.zeros(4, 10)
    for options, text in [
        ({"tail": "zero"}, "tail is 'zero'"),
        ({"reduction": "max"}, "reduction is 'max'"),
        ({"alpha": 0.5}, "no hard classes"),
    ]:
        with pytest.raises(decant.InvalidArgumentError, match=text):
            soft_cross_entropy(logits, labels, **options)
    with pytest.raises(decant.InvalidArgumentError, match="expected"):
        soft_cross_entropy(torch.zeros(5, 10), labels)


def test_no_target_of_all_classes_is_made():
    """The gradient is the one tensor of the logits' size."""
    logits = torch.zeros(64, 20000, requires_grad=True)
    labels = make_labels(64, 20000, 10)
    with KeptResults() as kept:
        (gradient,) = torch.autograd.grad(soft_cross_entropy(logits, labels), logits)
    large = {address for address, size in kept.storages().items() if size >= 64 * 20000 * logits.element_size()}
    assert large - {logits.data_ptr()} == {gradient.data_ptr()}


@pytest.mark.skipif(not hasattr(torch, "compile"), reason="this PyTorch has no torch.compile")
@pytest.mark.parametrize("tail", TAILS)
def test_traces_into_one_graph(tail):
    labels = make_labels(4, 30, 3)
    logits = torch.randn(4, 30, generator=torch.Generator().manual_seed(14))
    compiled = torch.compile(lambda z: soft_cross_entropy(z, labels, tail=tail), backend="aot_eager", fullgraph=True)
    mine, other = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    compiled(mine).backward()
    soft_cross_entropy(other, labels, tail=tail).backward()
    torch.testing.assert_close(mine.grad, other.grad)


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("temperature", [1.0, 2.0])
@pytest.mark.parametrize("k", [3, 8])
def test_gradcheck_in_float64(tail, temperature, k):
    labels = make_labels(4, 8, k, padding=2)
    logits = torch.randn(4, 8, generator=torch.Generator().manual_seed(15), dtype=torch.float64).requires_grad_()
    classes = torch.tensor([0, 3, 7, 7])
    weights = torch.tensor([1.0, 2.0, 0.0, 0.5])
    for options in ({}, {"hard": classes, "alpha": 0.4, "label_smoothing": 0.1}, {"weights": weights}):
        for reduction in ("mean", "sum", "none"):
            settings = {"tail": tail, "temperature": temperature, "reduction": reduction, **options}
            assert torch.autograd.gradcheck(lambda z: soft_cross_entropy(z, labels, **settings), logits)


@pytest.mark.parametrize("tail", TAILS)
def test_logits_far_from_0_lose_nothing(tail):
    # A multiple of 1/1024 near 1e4 is exact in float32.
    logits = torch.round(3 * torch.randn(8, 50, generator=torch.Generator().manual_seed(16)) * 1024) / 1024
    labels = make_labels(8, 50, 5, tail=1e-8)
    near, far = logits.clone().requires_grad_(), (logits + 10000).requires_grad_()
    losses = [soft_cross_entropy(z, labels, tail=tail, reduction="none") for z in (near, far)]
    for loss in losses:
        loss.sum().backward()
    assert torch.equal(*losses)
    assert torch.equal(near.grad, far.grad)


@pytest.mark.parametrize("tail", TAILS)
def test_a_row_that_is_left_out_may_hold_anything(tail):
    labels = make_labels(4, 15, 4)
    labels.ids[2] = 10**6
    labels.log_probs[2] = float("nan")
    logits = torch.randn(4, 15, generator=torch.Generator().manual_seed(17))
    logits[2] = float("nan")
    hard = torch.tensor([1, 2, -100, 3])
    mine = logits.clone().requires_grad_()
    kept = [0, 1, 3]
    options = {"tail": tail, "alpha": 0.5, "temperature": 2.0}
    loss = soft_cross_entropy(mine, labels, hard=hard, weights=hard >= 0, **options)
    loss.backward()
    other = logits[kept].clone().requires_grad_()
    wanted = soft_cross_entropy(other, SoftLabels(*(part[kept] for part in labels)), hard=hard[kept], **options)
    wanted.backward()
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-6)
    assert torch.equal(mine.grad[2], torch.zeros(15))
    torch.testing.assert_close(mine.grad[kept], other.grad)


@pytest.mark.parametrize("tail", TAILS)
def test_entries_may_come_in_any_order_with_padding_between(tail):
    labels = make_labels(6, 20, 4, padding=2)
    order = torch.tensor([4, 0, 3, 5, 2, 1])
    mixed = SoftLabels(labels.ids[:, order], labels.log_probs[:, order], labels.tail)
    check(torch.randn(6, 20, generator=torch.Generator().manual_seed(18)), mixed, tail=tail)


@pytest.mark.parametrize("tail", ["uniform", "ghost"])
def test_a_label_without_entries_is_all_tail(tail):
    labels = SoftLabels(torch.zeros(2, 3, dtype=torch.int64), torch.full((2, 3), -torch.inf), torch.ones(2))
    check(torch.randn(2, 9, generator=torch.Generator().manual_seed(19)), labels, tail=tail)


def test_hard_distillation_takes_the_teachers_class_for_half():
    labels = make_labels(5, 12, 3)
    logits = torch.randn(5, 12, generator=torch.Generator().manual_seed(20))
    hard = torch.tensor([0, 1, 2, 3, 4])
    of_teacher = labels.ids.gather(1, labels.log_probs.argmax(1, keepdim=True)).squeeze(1)
    entropy = torch.nn.functional.cross_entropy
    wanted = entropy(logits, hard) / 2 + entropy(logits, of_teacher) / 2
    found = soft_cross_entropy(logits, labels, hard=hard, alpha=0, hard_distillation=True)
    assert found.item() == pytest.approx(wanted.item(), rel=1e-6)
    assert soft_cross_entropy(logits, None, hard=hard, alpha=0).item() == pytest.approx(entropy(logits, hard).item())


def test_classes_that_the_student_rules_out():
    labels = make_labels(3, 10, 4, tail=0.0)
    logits = torch.randn(3, 10, generator=torch.Generator().manual_seed(21))
    outside = torch.ones(3, 10, dtype=torch.bool).scatter(1, labels.ids, False)
    mine = logits.masked_fill(outside, -torch.inf).requires_grad_()
    for tail in TAILS:
        loss = soft_cross_entropy(mine, labels, tail=tail)
        (gradient,) = torch.autograd.grad(loss, mine)
        assert loss.isfinite() and gradient.isfinite().all()


def test_one_row_by_hand():
    """z = (1, 2, 3, 4), 0.3 and 0.5 for the last two, by the formulas in double precision."""
    labels = SoftLabels(torch.tensor([[2, 3]]), torch.tensor([[0.3, 0.5]]).log(), torch.tensor([0.2]))
    logits = torch.tensor([[1.0, 2, 3, 4]])
    log_total = np.log(np.exp([1, 2, 3, 4]).sum())
    rest = np.log(np.exp([1, 2]).sum())
    wanted = {
        "uniform": log_total - 0.3 * 3 - 0.5 * 4 - 0.1 * (1 + 2),
        "renormalise": log_total - (0.3 * 3 + 0.5 * 4) / 0.8,
        "ghost": log_total - 0.3 * 3 - 0.5 * 4 - 0.2 * rest,
    }
    for tail, value in wanted.items():
        assert soft_cross_entropy(logits, labels, tail=tail).item() == pytest.approx(value, rel=1e-6)


@pytest.mark.skipif(not hasattr(torch, "compile"), reason="this PyTorch has no torch.compile")
def test_all_options_trace_into_one_graph():
    labels = make_labels(4, 30, 3)
    logits = torch.randn(4, 30, generator=torch.Generator().manual_seed(22))
    hard, weights = torch.tensor([1, 2, 3, 4]), torch.tensor([1.0, 0, 2, 1])

    def loss_of(z):
        options = {"temperature": 2.0, "alpha": 0.5, "label_smoothing": 0.1, "divergence": True}
        return soft_cross_entropy(z, labels, hard=hard, weights=weights, **options)

    compiled = torch.compile(loss_of, backend="aot_eager", fullgraph=True, dynamic=True)
    mine, other = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    compiled(mine).backward()
    loss_of(other).backward()
    torch.testing.assert_close(mine.grad, other.grad)
