"""The loss of a last layer, chunk by chunk, against the layer and the loss one after the other."""

import pytest
import torch

import decant
from decant.torch.labels import SoftLabels
from decant.torch.linear_loss import linear_soft_cross_entropy
from decant.torch.loss import soft_cross_entropy
from kept_results import KeptResults

TAILS = ["uniform", "renormalise", "ghost"]


def make_batch(shape, *, classes=60, width=16, k=7, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(*shape, width, generator=generator).to(dtype)
    weight = torch.randn(classes, width, generator=generator).to(dtype) / 2
    bias = torch.randn(classes, generator=generator).to(dtype)
    log_probs = torch.log_softmax(2 * torch.randn(*shape, classes, generator=generator), -1)
    listed, ids = log_probs.topk(k)
    return hidden, weight, bias, SoftLabels(ids, listed, 1 - listed.exp().sum(-1))


def gradients(loss_of, tensors):
    leaves = [tensor.clone().requires_grad_() for tensor in tensors]
    loss = loss_of(*leaves)
    (3 * loss).backward()  # also what comes after the loss has a gradient
    return loss.detach(), [leaf.grad for leaf in leaves]


def separate(hidden, weight, bias, labels, **options):
    return soft_cross_entropy(torch.nn.functional.linear(hidden, weight, bias), labels, **options)


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("chunk_tokens", [1, 5, None])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_equals_layer_and_loss(tail, chunk_tokens, reduction):
    *tensors, labels = make_batch((3, 8), dtype=torch.float64)
    hard = torch.arange(24).reshape(3, 8)
    weights = torch.ones(3, 8)
    weights[1, 5:] = 0
    options = {"tail": tail, "temperature": 2.0, "hard": hard, "alpha": 0.6, "label_smoothing": 0.1}
    options.update(weights=weights, reduction=reduction)
    loss, found = gradients(lambda *x: linear_soft_cross_entropy(*x, labels, chunk_tokens=chunk_tokens, **options), tensors)
    wanted, expected = gradients(lambda *x: separate(*x, labels, **options), tensors)
    torch.testing.assert_close(loss, wanted)
    for one, other in zip(found, expected):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("tail", TAILS)
def test_bfloat16(tail):
    *tensors, labels = make_batch((40,), dtype=torch.bfloat16)
    loss, found = gradients(lambda *x: linear_soft_cross_entropy(*x, labels, tail=tail, chunk_tokens=16), tensors)
    wide = [tensor.double() for tensor in tensors]
    wanted, expected = gradients(lambda *x: separate(*x, labels, tail=tail), wide)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(wanted.item(), rel=5e-3)
    for one, other in zip(found, expected):
        assert one.dtype == torch.bfloat16
        assert (one.double() - other).norm() < 0.02 * other.norm()


def test_autocast_multiplies_in_its_type():
    *tensors, labels = make_batch((40,))
    wanted, expected = gradients(lambda *x: separate(*x, labels), tensors)

    def loss_of(*x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return linear_soft_cross_entropy(*x, labels)

    loss, found = gradients(loss_of, tensors)
    assert loss.item() != wanted.item()
    for one, other in zip(found, expected):
        assert one.dtype == torch.float32
        assert (one - other).norm() < 0.02 * other.norm()


def test_only_what_is_wanted_gets_a_gradient():
    hidden, weight, _, labels = make_batch((10,))
    hidden.requires_grad_()
    linear_soft_cross_entropy(hidden, weight, None, labels).backward()
    other = hidden.detach().clone().requires_grad_()
    separate(other, weight, None, labels).backward()
    torch.testing.assert_close(hidden.grad, other.grad)
    with torch.no_grad():
        value = linear_soft_cross_entropy(hidden, weight, None, labels)
    assert value.item() == pytest.approx(separate(hidden, weight, None, labels).item())


def test_a_second_backward_pass_is_refused():
    hidden, weight, _, labels = make_batch((10,))
    loss = linear_soft_cross_entropy(hidden.requires_grad_(), weight, None, labels)
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_logits_of_all_tokens_are_not_held():
    hidden, weight, _, labels = make_batch((1024,), classes=4000)
    hidden.requires_grad_()
    with KeptResults() as kept:
        linear_soft_cross_entropy(hidden, weight.requires_grad_(), None, labels).backward()
    assert max(kept.storages().values()) <= 256 * 4000 * 4


def test_bad_requests_are_one_clear_error():
    hidden, weight, bias, labels = make_batch((4,))
    for arguments, options, text in [
        ((hidden, weight[:, :3], bias, labels), {}, "expected"),
        ((hidden, weight, bias[:5], labels), {}, "expected"),
        ((hidden[:2], weight, bias, labels), {}, "labels.ids of a loss"),
        ((hidden, weight, bias, labels), {"reduction": "none"}, "reduction is 'none'"),
    ]:
        with pytest.raises(decant.InvalidArgumentError, match=text):
            linear_soft_cross_entropy(*arguments, **options)
