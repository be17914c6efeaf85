"""Losses against sparse soft labels, which never build a dense target."""

from typing import Any, Optional, Tuple, Union

import torch
from torch.autograd.function import once_differentiable

import decant
from decant.errors import InvalidArgumentError, MismatchError
from decant.torch.row_loss import (
    TAIL_RULES,
    Rule,
    Targets,
    gradients_of,
    losses_of,
    rows_at_once,
    soft_targets,
    targets_dtype,
)

Hard = Union[torch.Tensor, Tuple[torch.Tensor, torch.Tensor]]


def soft_cross_entropy(
    logits: torch.Tensor,
    labels: Any,
    *,
    tail: str = "uniform",
    temperature: float = 1.0,
    hard: Optional[Hard] = None,
    alpha: float = 1.0,
    label_smoothing: float = 0.0,
    hard_distillation: bool = False,
    divergence: bool = False,
    weights: Optional[torch.Tensor] = None,
    reduction: str = "mean",
) -> torch.Tensor:
    """alpha T^2 S(z / T) + (1 - alpha) H(z) for rows of student logits z, where

        S(x) = -sum_j t_j log softmax(x)_j     t the soft label, its tail by `tail`
        H(z) = -sum_j h_j log softmax(z)_j     h_j = (1 - e) shares_j + e / C, e = label_smoothing

    Hinton, Vinyals and Dean (2015), whose T^2 keeps the parts' gradients in proportion; label smoothing: Szegedy et al.
    (CVPR 2016). For the uniform tail, u = tail / (C - k) and T = 1, S is computed as

        -sum_listed (p - u) z - u sum_j z_j + (sum p + tail) log sum_j exp z_j

    so that no [B, C] tensor but the gradient is made: rows are worked on some at a time, twice, for the value and for
    the gradient. Sums are float32 (float64 for float64 logits). Works under `torch.compile(fullgraph=True)`, which
    fuses the rows by itself; nothing waits for the device.

    Args:
        logits: float32, bfloat16, float16 or float64 [..., C]: [B, C], [B, T, C], on any device.
        labels: `SoftLabels`, or anything with its attributes: ids int64 [..., k], each class once; log_probs float
            [..., k], natural logarithms, -inf for padding; tail float [...]. They may lie on another device. None when
            alpha is 0, without hard_distillation.
        tail: What becomes of the probability of the classes that are not listed: "uniform": each has tail / (C - k)
            (TinyViT, Wu et al., ECCV 2022); "renormalise": none, the listed ones are divided by their sum; "ghost": one
            more class, compared with what the student gives to all that are not listed. A label of all C classes has no
            tail.
        temperature: T, that of the labels (`store.temperature`): labels of another one are something else.
        hard: True classes, int64 [...], or (classes int64 [..., M], shares float [..., M]), the shares of a row summing
            to 1: a mixed view's. Needed unless alpha is 1.
        alpha: The share of the soft part, in [0, 1].
        label_smoothing: Of the hard part, in [0, 1).
        hard_distillation: Half of each share goes to the label's likeliest class (of equal ones the smaller id): DeiT's
            hard distillation (Touvron et al., ICML 2021), with alpha = 0.
        divergence: S is less by the entropy of t: the forward Kullback-Leibler divergence, whose gradient is the same.
        weights: float or bool [...], of the rows. A row of weight 0 is left out, whatever it, its label and its classes
            hold: padding.
        reduction: "mean": the weighted mean, 0 without rows; "sum" of the weighted losses, which ranks or accumulated
            steps divide by the weights of all; "none": [...], weighted.

    Returns:
        float32 (float64 for float64 logits) [], or [...] with reduction="none". Differentiable once, by the logits.

    Raises:
        InvalidArgumentError: Shapes that do not fit, values out of range, an unknown name.
        IndexError, RuntimeError: A class that is not below C; on an accelerator as its kernels report it.
    """
    num_classes = logits.shape[-1]
    rule = make_rule(tail, temperature, alpha, label_smoothing)
    targets, scale = make_targets(
        logits, labels, rule, hard, weights, hard_distillation=hard_distillation, divergence=divergence
    )
    losses = _RowLosses.apply(logits.reshape(-1, num_classes), rule, *targets)
    return reduce_losses(losses, scale, reduction, logits.shape[:-1])


class SoftCrossEntropy(torch.nn.Module):
    """`soft_cross_entropy` with the temperature of a store, and a check that the student has its classes.

        loss_of = SoftCrossEntropy(store, tail="ghost", alpha=0.9)
        loss = loss_of(model(images), labels, hard=true_classes)
    """

    def __init__(
        self,
        store: decant.Store,
        *,
        tail: str = "uniform",
        alpha: float = 1.0,
        label_smoothing: float = 0.0,
        hard_distillation: bool = False,
        divergence: bool = False,
    ) -> None:
        """Arguments: as `soft_cross_entropy`.

        Raises:
            InvalidArgumentError: An option is out of range.
        """
        super().__init__()
        make_rule(tail, store.temperature, alpha, label_smoothing)
        self.num_classes = store.num_classes
        self.temperature = store.temperature
        self.tail = tail
        self.alpha = alpha
        self.label_smoothing = label_smoothing
        self.hard_distillation = hard_distillation
        self.divergence = divergence

    def forward(
        self,
        logits: torch.Tensor,
        labels: Any,
        hard: Optional[Hard] = None,
        weights: Optional[torch.Tensor] = None,
        reduction: str = "mean",
    ) -> torch.Tensor:
        """Arguments and result: as `soft_cross_entropy`.

        Raises:
            MismatchError: The student has another number of classes than the store.
        """
        if logits.shape[-1] != self.num_classes:
            raise MismatchError(
                f"logits of {logits.shape[-1]} classes, the store's labels are of {self.num_classes}: give the student "
                "as many (of a vocabulary that is padded, logits[..., :num_classes])"
            )
        return soft_cross_entropy(
            logits,
            labels,
            tail=self.tail,
            temperature=self.temperature,
            hard=hard,
            alpha=self.alpha,
            label_smoothing=self.label_smoothing,
            hard_distillation=self.hard_distillation,
            divergence=self.divergence,
            weights=weights,
            reduction=reduction,
        )

    def extra_repr(self) -> str:
        return f"tail={self.tail!r}, alpha={self.alpha}, temperature={self.temperature}, classes={self.num_classes}"


def make_rule(tail: str, temperature: float, alpha: float, label_smoothing: float) -> Rule:
    """Raises: InvalidArgumentError: An option is out of range."""
    if tail not in TAIL_RULES:
        raise InvalidArgumentError(f"tail is {tail!r}; expected one of {', '.join(TAIL_RULES)}")
    if not (temperature > 0 and 0 <= alpha <= 1 and 0 <= label_smoothing < 1):
        raise InvalidArgumentError(
            f"temperature {temperature}, alpha {alpha}, label_smoothing {label_smoothing}: expected above 0, in [0, 1], "
            "in [0, 1)"
        )
    return Rule(tail, float(temperature), alpha * temperature**2, 1.0 - alpha, float(label_smoothing))


def make_targets(
    logits: torch.Tensor,
    labels: Any,
    rule: Rule,
    hard: Optional[Hard],
    weights: Optional[torch.Tensor],
    *,
    hard_distillation: bool,
    divergence: bool,
    num_classes: Optional[int] = None,
) -> Tuple[Targets, Optional[torch.Tensor]]:
    """What the rows of logits [..., C] (or [..., num_classes]) are compared with, and the rows' weights, [n] or None."""
    num_classes = logits.shape[-1] if num_classes is None else num_classes
    shape, device, dtype = logits.shape[:-1], logits.device, targets_dtype(logits)
    if not logits.is_floating_point():
        raise InvalidArgumentError(f"logits are {logits.dtype}; expected floating point")
    scale = dropped = None
    if weights is not None:
        _check("weights", weights, shape)
        scale = weights.detach().to(device, dtype).reshape(-1)
        dropped = (scale == 0).unsqueeze(1)
    ids = log_probs = None
    soft = (None,) * 7
    if rule.soft != 0 or hard_distillation:
        if labels is None:
            raise InvalidArgumentError(f"alpha is {1 - rule.hard:g}, but there are no labels")
        k = labels.ids.shape[-1]
        _check("labels.ids", labels.ids, shape, k)
        _check("labels.log_probs", labels.log_probs, shape, k)
        _check("labels.tail", labels.tail, shape)
        ids = _left_out(labels.ids.to(device).reshape(-1, k).long(), dropped)
        log_probs = labels.log_probs.detach().to(device).reshape(-1, k)
    if rule.soft != 0:
        tail_mass = labels.tail.detach().to(device).reshape(-1)
        soft = soft_targets(ids, log_probs, tail_mass, num_classes, rule.tail, dtype)
        if not divergence:
            soft = soft[:-1] + (None,)
    classes = shares = None
    if rule.hard != 0:
        if hard is None:
            raise InvalidArgumentError(f"alpha is {1 - rule.hard:g}, but there are no hard classes")
        classes, shares = hard if isinstance(hard, (tuple, list)) else (hard.unsqueeze(-1), None)
        _check("hard", classes, shape, classes.shape[-1])
        classes = _left_out(classes.to(device).reshape(-1, classes.shape[-1]).long(), dropped)
        if shares is None:
            shares = torch.ones_like(classes, dtype=dtype)
        else:
            _check("hard[1]", shares, shape, classes.shape[-1])
            shares = shares.detach().to(device, dtype).reshape(-1, classes.shape[-1])
        if hard_distillation:
            likeliest = log_probs.amax(1, keepdim=True)
            of_teacher = torch.where(log_probs == likeliest, ids, num_classes).amin(1, keepdim=True)
            classes = torch.cat([classes, _left_out(of_teacher, dropped)], 1)
            shares = torch.cat([shares / 2, torch.full_like(of_teacher, 0.5, dtype=dtype)], 1)
    return Targets(*soft, classes, shares, dropped), scale


def reduce_losses(
    losses: torch.Tensor, scale: Optional[torch.Tensor], reduction: str, shape: Tuple[int, ...]
) -> torch.Tensor:
    """Of losses [n], with their weights."""
    if reduction not in ("mean", "sum", "none"):
        raise InvalidArgumentError(f"reduction is {reduction!r}; expected mean, sum or none")
    if scale is not None:
        losses = losses * scale
    if reduction == "none":
        return losses.reshape(shape)
    if reduction == "sum":
        return losses.sum()
    return losses.sum() / (max(losses.shape[0], 1) if scale is None else scale.sum().clamp_min(1e-30))


class _RowLosses(torch.autograd.Function):
    """The losses [n] of logits [n, C]."""

    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor, rule: Rule, *parts: Any) -> torch.Tensor:
        targets = Targets(*parts)
        pieces = [losses_of(logits[b:e], targets.rows(b, e), rule) for b, e in _pieces(logits)]
        if len(pieces) == 1:
            losses, sums = pieces[0]
        else:
            losses, sums = (torch.cat(part) for part in zip(*pieces))
        ctx.rule = rule
        ctx.save_for_backward(logits, sums, *parts)
        return losses.squeeze(1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, outer: torch.Tensor) -> Tuple[Any, ...]:
        logits, sums, *parts = ctx.saved_tensors
        targets = Targets(*parts)
        outer = outer.unsqueeze(1)
        nothing = (None,) * (1 + len(parts))
        if _is_traced():
            return (gradients_of(logits, targets, ctx.rule, sums, outer).to(logits.dtype), *nothing)
        gradient = torch.empty_like(logits, memory_format=torch.contiguous_format)
        for b, e in _pieces(logits):
            out = gradient[b:e]
            direct = out if out.dtype == sums.dtype else None
            found = gradients_of(logits[b:e], targets.rows(b, e), ctx.rule, sums[b:e], outer[b:e], direct)
            if direct is None:
                out.copy_(found)
        return (gradient, *nothing)


# Runs of rows; all of them for a compiler, which fuses them by itself.
def _pieces(logits: torch.Tensor) -> Any:
    if _is_traced():
        return [(0, logits.shape[0])]
    step = rows_at_once(logits)
    return [(begin, begin + step) for begin in range(0, max(logits.shape[0], 1), step)]


def _is_traced() -> bool:
    compiler = getattr(torch, "compiler", None)
    return compiler is not None and compiler.is_compiling()


def _left_out(classes: torch.Tensor, dropped: Optional[torch.Tensor]) -> torch.Tensor:
    return classes if dropped is None else torch.where(dropped, 0, classes)


def _check(what: str, tensor: torch.Tensor, shape: Tuple[int, ...], *last: int) -> None:
    if tuple(tensor.shape) != (*shape, *last):
        raise InvalidArgumentError(
            f"{what} of a loss: expected {[*shape, *last]} for logits {[*shape, 'C']}, found {list(tensor.shape)}"
        )
