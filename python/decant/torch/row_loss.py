"""Losses of rows of logits against sparse soft labels, and their gradients, without dense targets: tensors in and out."""

from typing import Any, NamedTuple, Optional, Tuple

import torch

TAIL_RULES = ("uniform", "renormalise", "ghost")


class Rule(NamedTuple):
    """soft S(z / temperature) + hard H(z), as `soft_cross_entropy` defines S and H."""

    tail: str
    temperature: float
    soft: float
    hard: float
    smoothing: float


class Targets(NamedTuple):
    """What n rows are compared with. Of the soft label: t_j = weights_j + unlisted for the classes that it lists and
    `unlisted` for each other; `mass` in all, with that of one more class, `ghost`. Padding repeats an entry."""

    ids: Optional[torch.Tensor]  # int64 [n, k]
    is_entry: Optional[torch.Tensor]  # bool [n, k]: no padding
    weights: Optional[torch.Tensor]  # [n, k]; 0 for padding, but with a ghost the repeated entry's
    unlisted: Optional[torch.Tensor]  # [n, 1]
    ghost: Optional[torch.Tensor]  # [n, 1]
    mass: Optional[torch.Tensor]  # [n, 1]
    entropy: Optional[torch.Tensor]  # [n, 1]; of t
    classes: Optional[torch.Tensor]  # int64 [n, m], hard targets
    shares: Optional[torch.Tensor]  # [n, m]
    dropped: Optional[torch.Tensor]  # bool [n, 1]: rows that do not count, whatever they hold

    def rows(self, begin: int, end: int) -> "Targets":
        return Targets(*(None if part is None else part[begin:end] for part in self))


def soft_targets(
    ids: torch.Tensor, log_probs: torch.Tensor, tail_mass: torch.Tensor, num_classes: int, tail: str, dtype: torch.dtype
) -> Tuple[Any, ...]:
    """The soft part of `Targets`, of labels [n, k], [n, k], [n]."""
    is_entry = log_probs > -torch.inf
    probs = log_probs.to(dtype).exp()
    num_unlisted = num_classes - is_entry.sum(1, keepdim=True)
    tail_mass = torch.where(num_unlisted > 0, tail_mass.to(dtype).unsqueeze(1), 0.0)
    unlisted, ghost = torch.zeros_like(tail_mass), torch.zeros_like(tail_mass)
    mass = probs.sum(1, keepdim=True) + tail_mass
    if tail == "uniform":
        unlisted = tail_mass / num_unlisted.clamp_min(1)
    elif tail == "renormalise":
        probs = probs / probs.sum(1, keepdim=True)
        mass = torch.ones_like(mass)
    else:
        ghost = tail_mass
        likeliest = log_probs.argmax(1, keepdim=True)
        ids = torch.where(is_entry, ids, ids.gather(1, likeliest))
    entropy = -_p_log_p(probs).sum(1, keepdim=True) - num_unlisted * _p_log_p(unlisted) - _p_log_p(ghost)
    if tail == "ghost":
        weights = torch.where(is_entry, probs, probs.gather(1, likeliest))
    else:
        weights = torch.where(is_entry, probs - unlisted, 0.0)
    return ids, is_entry, weights, unlisted, ghost, mass, entropy


def losses_of(logits: torch.Tensor, targets: Targets, rule: Rule) -> Tuple[torch.Tensor, torch.Tensor]:
    """Losses [n, 1] of logits [n, C], and what the gradient needs of this pass: [n, 4].

    All is relative to each row's largest logit: logits of 1e4 lose nothing but what their own rounding lost.
    """
    x = logits.to(targets_dtype(logits))
    largest = x.amax(1, keepdim=True)
    loss = log_total = log_rest = log_hard_total = torch.zeros_like(largest)
    if rule.soft != 0:
        assert targets.ids is not None and targets.weights is not None and targets.is_entry is not None
        listed = (x.gather(1, targets.ids) - largest) / rule.temperature
        differences = loss
        if rule.tail == "ghost":
            log_rest = _log_rest(x, largest, targets, rule.temperature)
            of_entries = torch.where(targets.is_entry, listed, -torch.inf)
            log_total = torch.logaddexp(log_rest, torch.logsumexp(of_entries, 1, keepdim=True))
        else:
            log_total, differences = _sums(x, largest, rule.temperature, rule.tail == "uniform")
        value = targets.mass * log_total - _product(targets.weights * targets.is_entry, listed).sum(1, keepdim=True)
        value = value - _product(targets.unlisted, differences) - _product(targets.ghost, log_rest)
        loss = loss + rule.soft * (value if targets.entropy is None else value - targets.entropy)
    if rule.hard != 0:
        assert targets.classes is not None and targets.shares is not None
        log_hard_total, differences = _sums(x, largest, 1.0, rule.smoothing != 0)
        of_classes = _product(targets.shares, x.gather(1, targets.classes) - largest).sum(1, keepdim=True)
        value = log_hard_total - (1 - rule.smoothing) * of_classes - rule.smoothing / x.shape[1] * differences
        loss = loss + rule.hard * value
    if targets.dropped is not None:
        loss = torch.where(targets.dropped, 0.0, loss)
    return loss, torch.cat([largest, log_total, log_rest, log_hard_total], 1)


def gradients_of(
    logits: torch.Tensor,
    targets: Targets,
    rule: Rule,
    sums: torch.Tensor,
    scale: torch.Tensor,
    out: Optional[torch.Tensor] = None,
) -> torch.Tensor:
    """`scale` [n, 1] times the gradients of `losses_of` by the logits, [n, C].

    Written to `out`, if given, which may be the logits themselves.
    """
    x = logits.to(targets_dtype(logits))
    largest, log_total, log_rest, log_hard_total = sums.split(1, 1)
    hard_factor = scale * rule.hard * (-log_hard_total).exp()
    hard_offset = scale * (rule.hard * rule.smoothing / x.shape[1])
    if rule.soft == 0:
        gradient = torch.sub(x, largest, out=out).exp_().mul_(hard_factor).sub_(hard_offset)
    else:
        assert targets.ids is not None and targets.mass is not None and targets.is_entry is not None
        hard = None
        outer = scale * (rule.soft / rule.temperature)
        if rule.tail == "ghost":
            # Off the label (mass - ghost / Q) q_j, Q the sum of those q_j.
            has_rest = log_rest > -torch.inf
            factor = outer * torch.where(has_rest, targets.mass * (log_rest - log_total).exp() - targets.ghost, 0.0)
            offset = None
            listed = (x.gather(1, targets.ids) - largest) / rule.temperature
            entries = outer * (targets.mass * (listed - log_total).exp() - targets.weights)
            base = torch.where(has_rest, log_rest, 0.0)
        else:
            factor = outer * targets.mass * (-log_total).exp()
            offset = outer * targets.unlisted if rule.tail == "uniform" else None
            entries = -outer * targets.weights
            base = None
        if rule.hard != 0 and rule.temperature == 1 and base is None:
            factor = factor + hard_factor
            offset = hard_offset if offset is None else offset + hard_offset
        elif rule.hard != 0:
            hard = (x - largest).exp_().mul_(hard_factor).sub_(hard_offset)
        gradient = torch.sub(x, largest, out=out)
        if rule.temperature != 1:
            gradient.mul_(1 / rule.temperature)
        if base is not None:
            gradient.sub_(base)
        gradient.exp_().mul_(factor)
        if offset is not None:
            gradient.sub_(offset)
        if base is None:
            gradient.scatter_add_(1, targets.ids, entries)
        else:
            has_entries = targets.is_entry.any(1, keepdim=True)
            gradient.scatter_(1, targets.ids, torch.where(has_entries, entries, gradient.gather(1, targets.ids)))
        if hard is not None:
            gradient.add_(hard)
    if rule.hard != 0:
        assert targets.classes is not None
        gradient.scatter_add_(1, targets.classes, scale * (-rule.hard * (1 - rule.smoothing)) * targets.shares)
    return gradient if targets.dropped is None else gradient.masked_fill_(targets.dropped, 0.0)


def targets_dtype(logits: torch.Tensor) -> torch.dtype:
    """In which sums are taken: float32, or float64 for such logits."""
    return torch.promote_types(logits.dtype, torch.float32)


def rows_at_once(logits: torch.Tensor) -> int:
    """How many rows [C] to work on, so that temporaries stay in the cache of a processor, or small on an accelerator."""
    elements = 1 << 18 if logits.device.type == "cpu" else 1 << 24
    return max(1, elements // max(1, logits.shape[-1]))


# log sum_j exp((x_j - largest) / T), and the sum of the (x_j - largest) / T.
def _sums(
    x: torch.Tensor, largest: torch.Tensor, temperature: float, has_differences: bool
) -> Tuple[torch.Tensor, torch.Tensor]:
    scaled = x - largest
    if temperature != 1:
        scaled.mul_(1 / temperature)
    differences = scaled.sum(1, keepdim=True) if has_differences else torch.zeros_like(largest)
    return scaled.exp_().sum(1, keepdim=True).log(), differences


# The logarithm of the sum over the classes that are not listed, which is taken by itself: a difference of sums would
# leave nothing of a small rest.
def _log_rest(x: torch.Tensor, largest: torch.Tensor, targets: Targets, temperature: float) -> torch.Tensor:
    assert targets.ids is not None and targets.is_entry is not None
    scaled = x - largest
    if temperature != 1:
        scaled.mul_(1 / temperature)
    has_entries = targets.is_entry.any(1, keepdim=True)
    scaled.scatter_(1, targets.ids, torch.where(has_entries, -torch.inf, scaled.gather(1, targets.ids)))
    base = scaled.amax(1, keepdim=True)
    base = torch.where(base > -torch.inf, base, 0.0)
    return base + scaled.sub_(base).exp_().sum(1, keepdim=True).log()


# 0 where a is 0, also times infinity: classes that the student rules out.
def _product(a: Any, b: torch.Tensor) -> torch.Tensor:
    return torch.where(a != 0, a * b, 0.0)


def _p_log_p(p: torch.Tensor) -> torch.Tensor:
    return torch.where(p > 0, p * p.log(), 0.0)
