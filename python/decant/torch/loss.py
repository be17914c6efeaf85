"""Losses between a student's logits and sparse soft labels, without a dense target.

Of a row of logits z [C] at the temperature T, with x = z / T, q = softmax(x) and a label that lists the classes S with
probabilities p and leaves the tail mass R:

    uniform      each of the other C - k classes has u = R / (C - k) (TinyViT, Wu et al., ECCV 2022):
                 logsumexp(x) - sum_S (p - u) x - u sum(x)
    renormalise  the listed probabilities over their sum, no tail: logsumexp(x) - sum_S p x / sum_S p
    ghost        one more class for all others: -sum_S p log q - R log(1 - sum_S q)

The same as decant/consumer/row_loss.h.
"""

from typing import Any, NamedTuple, Optional, Tuple, Union

import torch

import decant
from decant.errors import InvalidArgumentError, MismatchError

Hard = Union[torch.Tensor, Tuple[torch.Tensor, torch.Tensor]]

_TAILS = ("uniform", "renormalise", "ghost")
# Elements that are worked on at once: in a cache of a processor's core, or enough to fill an accelerator.
_CPU_ELEMENTS = 1 << 17
_DEVICE_ELEMENTS = 1 << 26


def soft_cross_entropy(
    logits: torch.Tensor,
    labels: Any,
    *,
    tail: str = "uniform",
    temperature: float = 1.0,
    hard: Optional[Hard] = None,
    alpha: float = 1.0,
    label_smoothing: float = 0.0,
    divergence: bool = False,
    weights: Optional[torch.Tensor] = None,
    reduction: str = "mean",
) -> torch.Tensor:
    """alpha T^2 S(z / T) + (1 - alpha) H(z), Hinton, Vinyals and Dean (2015), over the rows.

    Forward and backward read the logits once each; the gradient is the only tensor of their size that is made.
    Differentiable by `logits` alone. For any device; sums are float32.

    Args:
        logits: Floating-point [..., C], the student's, before softmax and not divided by T.
        labels: With `ids` int64 [..., k], `log_probs` float32 [..., k] and `tail` float32 [...], as `LabelStream`,
            `LabelledDataset` and `Labels.padded` give them; an entry of -inf is padding.
        tail: What becomes of the tail mass: "uniform", "renormalise" or "ghost".
        temperature: T, at which the labels hold: the store's `temperature`. Another one is wrong: labels cannot be
            tempered afterwards. `SoftCrossEntropy` takes it from the store.
        hard: True classes, int64 [...], or (classes int64 [..., M], shares float [..., M]) of mixed views; needed when
            alpha is below 1.
        alpha: Share of the soft part.
        label_smoothing: Of the hard part (Szegedy et al., CVPR 2016).
        divergence: The forward Kullback-Leibler divergence: less by the entropy of the labels, with the same gradient.
        weights: float [...]; 0 leaves a row out, as padding of tokens.
        reduction: "mean", weighted; "sum"; or "none", [...].

    Returns:
        float32 [], or [...] without reduction.

    Raises:
        InvalidArgumentError: Shapes that do not fit, unknown names.
    """
    if tail not in _TAILS:
        raise InvalidArgumentError(f"tail is {tail!r}; expected one of {', '.join(_TAILS)}")
    if reduction not in ("mean", "sum", "none"):
        raise InvalidArgumentError(f'reduction is {reduction!r}; expected "mean", "sum" or "none"')
    if hard is None and alpha != 1:
        raise InvalidArgumentError(f"alpha is {alpha}, but there are no hard classes")
    rows = logits.reshape(-1, logits.shape[-1])
    target = _make_target(logits, labels, tail, temperature, hard, alpha, label_smoothing)
    losses = _RowLoss.apply(rows, *target)
    if divergence and alpha != 0:
        losses = losses - alpha * temperature**2 * _entropy(labels, tail, logits.shape[-1]).reshape(-1)
    losses = losses.reshape(logits.shape[:-1])
    if weights is not None:
        losses = torch.where(weights != 0, losses, 0) * weights  # a row that is left out may be NaN
    if reduction == "none":
        return losses
    if reduction == "sum":
        return losses.sum()
    return losses.sum() / (losses.numel() if weights is None else weights.sum())


class SoftCrossEntropy(torch.nn.Module):
    """`soft_cross_entropy` at a store's temperature, for its classes.

        loss_of = SoftCrossEntropy(store, tail="ghost")
        loss = loss_of(student(images), labels)
    """

    def __init__(self, store: decant.Store, *, tail: str = "uniform", alpha: float = 1.0, label_smoothing: float = 0.0):
        super().__init__()
        self.temperature = store.temperature
        self.num_classes = store.num_classes
        self.tail = tail
        self.alpha = alpha
        self.label_smoothing = label_smoothing

    def extra_repr(self) -> str:
        return f"tail={self.tail!r}, alpha={self.alpha}, temperature={self.temperature}, classes={self.num_classes}"

    def forward(
        self,
        logits: torch.Tensor,
        labels: Any,
        hard: Optional[Hard] = None,
        weights: Optional[torch.Tensor] = None,
        reduction: str = "mean",
    ) -> torch.Tensor:
        """As `soft_cross_entropy`. MismatchError when the logits are of other classes than the store's labels."""
        if logits.shape[-1] != self.num_classes:
            raise MismatchError(f"logits of {logits.shape[-1]} classes, the store's labels are of {self.num_classes}")
        return soft_cross_entropy(
            logits,
            labels,
            tail=self.tail,
            temperature=self.temperature,
            hard=hard,
            alpha=self.alpha,
            label_smoothing=self.label_smoothing if self.alpha < 1 else 0.0,
            weights=weights,
            reduction=reduction,
        )


class _Target(NamedTuple):
    """What rows are compared with, N of them. The loss of a row is
    scale (total logsumexp(x) - sum_k coefs x[ids] - uniform sum(x) - ghost logsumexp(x of the unlisted))
    + hard_scale (logsumexp(z) - sum_m hard_coefs z[hard_ids] - smoothing sum(z))
    """

    ids: torch.Tensor  # int64 [N, k]; padding repeats the first
    coefs: torch.Tensor  # float32 [N, k]; 0 for padding
    total: torch.Tensor  # float32 [N]
    uniform: torch.Tensor  # float32 [N]
    ghost: Optional[torch.Tensor]  # float32 [N]
    hard_ids: Optional[torch.Tensor]  # int64 [N, M]
    hard_coefs: Optional[torch.Tensor]  # float32 [N, M]
    smoothing: float
    temperature: float
    scale: float
    hard_scale: float


def _make_target(
    logits: torch.Tensor,
    labels: Any,
    tail: str,
    temperature: float,
    hard: Optional[Hard],
    alpha: float,
    label_smoothing: float,
) -> _Target:
    num_classes, shape = logits.shape[-1], logits.shape[:-1]
    if labels.ids.shape != labels.log_probs.shape or labels.ids.shape[:-1] != shape or labels.tail.shape != shape:
        raise InvalidArgumentError(
            f"logits {tuple(logits.shape)} with labels of ids {tuple(labels.ids.shape)}, log_probs "
            f"{tuple(labels.log_probs.shape)}, tail {tuple(labels.tail.shape)}: expected {(*shape, 'k')} twice and "
            f"{tuple(shape)}"
        )
    k = labels.ids.shape[-1]
    log_probs = labels.log_probs.reshape(-1, k).float()
    ids = labels.ids.reshape(-1, k).long()
    listed = log_probs > -torch.inf
    ids = torch.where(listed, ids, ids[:, :1])
    probs = log_probs.exp()
    num_unlisted = num_classes - listed.sum(1)
    mass = torch.where(num_unlisted > 0, labels.tail.reshape(-1).float(), 0)
    sums = probs.sum(1)
    zeros = torch.zeros_like(mass)
    ghost = None
    if tail == "uniform":
        uniform = mass / num_unlisted.clamp(min=1)
        coefs = torch.where(listed, probs - uniform[:, None], 0)
        total = sums + mass
    elif tail == "renormalise":
        uniform, coefs, total = zeros, probs / sums[:, None], torch.ones_like(mass)
    else:
        uniform, coefs, total, ghost = zeros, probs, sums + mass, mass
    hard_ids = hard_coefs = None
    smoothing = 0.0
    if hard is not None and alpha != 1:
        classes, shares = hard if isinstance(hard, tuple) else (hard.unsqueeze(-1), None)
        hard_ids = classes.reshape(len(mass), -1)
        shares = torch.ones_like(hard_ids, dtype=torch.float32) if shares is None else shares.reshape(hard_ids.shape)
        hard_coefs = shares.float() * (1 - label_smoothing)
        smoothing = label_smoothing / num_classes
    return _Target(
        ids,
        coefs,
        total,
        uniform,
        ghost,
        hard_ids,
        hard_coefs,
        smoothing,
        temperature,
        alpha * temperature**2,
        1 - alpha if hard_ids is not None else 0.0,
    )


def _entropy(labels: Any, tail: str, num_classes: int) -> torch.Tensor:
    """Of what the logits are compared with: [...]."""
    probs = labels.log_probs.float().exp()
    num_unlisted = num_classes - (labels.log_probs > -torch.inf).sum(-1)
    mass = torch.where(num_unlisted > 0, labels.tail.float(), 0)
    if tail == "renormalise":
        probs, mass = probs / probs.sum(-1, keepdim=True), torch.zeros_like(mass)
    elif tail == "uniform":
        return -(torch.xlogy(probs, probs).sum(-1) + torch.xlogy(mass, mass / num_unlisted.clamp(min=1)))
    return -(torch.xlogy(probs, probs).sum(-1) + torch.xlogy(mass, mass))


def _slices(logits: torch.Tensor) -> range:
    """Where the runs of rows begin that are worked on at once."""
    is_compiling = getattr(getattr(torch, "compiler", None), "is_compiling", lambda: False)
    num_rows, num_classes = logits.shape
    elements = _CPU_ELEMENTS if logits.device.type == "cpu" else _DEVICE_ELEMENTS
    step = num_rows if is_compiling() else elements // num_classes  # a compiler fuses, and unrolls loops
    return range(0, num_rows, max(1, step))


class _RowLoss(torch.autograd.Function):
    """Rows of logits [N, C] and the fields of a _Target -> losses float32 [N]."""

    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor, *fields: Any) -> torch.Tensor:
        target = _Target(*fields)
        starts = _slices(logits)
        parts = [_values(logits, target, slice(begin, begin + starts.step)) for begin in starts]
        losses, log_sums, log_hard_sums, log_unlisted = (
            torch.cat(part) if part[0] is not None else None for part in zip(*parts)
        )
        ctx.save_for_backward(
            logits,
            log_sums,
            log_hard_sums,
            log_unlisted,
            target.ids,
            target.coefs,
            target.total,
            target.uniform,
            target.ghost,
            target.hard_ids,
            target.hard_coefs,
        )
        ctx.numbers = fields[7:]
        return losses

    @staticmethod
    def backward(ctx: Any, *grad_outputs: torch.Tensor) -> Any:
        logits, log_sums, log_hard_sums, log_unlisted, *tensors = ctx.saved_tensors
        target = _Target(*tensors, *ctx.numbers)
        gradient = torch.empty_like(logits)
        starts = _slices(logits)
        for begin in starts:
            part = slice(begin, begin + starts.step)
            rows = _gradient(logits, target, part, log_sums, log_hard_sums, log_unlisted)
            gradient[part] = rows.mul_(grad_outputs[0][part, None])
        return (gradient, *[None] * len(_Target._fields))


def _scaled(logits: torch.Tensor, part: slice, temperature: float) -> torch.Tensor:
    rows = logits[part].float()
    return rows if temperature == 1 else rows / temperature


def _values(logits: torch.Tensor, target: _Target, part: slice) -> Tuple[Any, ...]:
    """Losses of a part of the rows, and the logarithms of the sums that their gradient needs."""
    x = _scaled(logits, part, target.temperature)
    ids = target.ids[part]
    log_sums = torch.logsumexp(x, 1)
    losses = target.total[part] * log_sums - (target.coefs[part] * x.gather(1, ids)).sum(1)
    if target.ghost is None:
        losses = losses - torch.where(target.uniform[part] > 0, target.uniform[part] * x.sum(1), 0)
    log_unlisted = None
    if target.ghost is not None:
        mass = target.ghost[part]
        log_unlisted = torch.logsumexp(x.scatter(1, ids, -torch.inf), 1)
        log_unlisted = torch.where(mass > 0, log_unlisted, torch.inf)
        losses = losses - torch.where(mass > 0, mass * log_unlisted, 0)
    losses = losses * target.scale
    log_hard_sums = None
    if target.hard_ids is not None and target.hard_coefs is not None:
        z = x if target.temperature == 1 else logits[part].float()
        log_hard_sums = log_sums if target.temperature == 1 else torch.logsumexp(z, 1)
        hard = log_hard_sums - (target.hard_coefs[part] * z.gather(1, target.hard_ids[part])).sum(1)
        if target.smoothing > 0:
            hard = hard - target.smoothing * z.sum(1)
        losses = losses + target.hard_scale * hard
    return losses, log_sums, log_hard_sums, log_unlisted


def _gradient(
    logits: torch.Tensor,
    target: _Target,
    part: slice,
    log_sums: torch.Tensor,
    log_hard_sums: Optional[torch.Tensor],
    log_unlisted: Optional[torch.Tensor],
) -> torch.Tensor:
    """Of the losses of a part of the rows by their logits: float32."""
    x = _scaled(logits, part, target.temperature)
    ids = target.ids[part]
    factor = target.scale / target.temperature
    total, coefs = target.total[part, None] * factor, target.coefs[part] * factor
    if target.ghost is None or log_unlisted is None:
        # x may be the student's own memory, so the first step makes a copy.
        rows = (x - log_sums[part, None]).exp_().mul_(total).sub_(target.uniform[part, None] * factor)
        rows.scatter_add_(1, ids, -coefs)
    else:
        listed = (x.gather(1, ids) - log_sums[part, None]).exp() * total - coefs
        rows = (x - log_sums[part, None]).exp_().mul_(total)
        rows.sub_((x - log_unlisted[part, None]).exp_().mul_(target.ghost[part, None] * factor))
        rows.scatter_(1, ids, torch.where(ids == ids[:, :1], listed[:, :1], listed))  # padding repeats the first
    if target.hard_ids is not None and target.hard_coefs is not None and log_hard_sums is not None:
        z = logits[part].float()
        rows.add_((z - log_hard_sums[part, None]).exp_().sub_(target.smoothing), alpha=target.hard_scale)
        rows.scatter_add_(1, target.hard_ids[part], -target.hard_scale * target.hard_coefs[part])
    return rows
