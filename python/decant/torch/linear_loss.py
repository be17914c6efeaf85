"""A student's last layer together with its loss: logits of a whole batch of tokens are never held."""

from typing import Any, Optional, Tuple

import torch
from torch.autograd.function import once_differentiable

from decant.errors import InvalidArgumentError
from decant.torch.loss import Hard, make_rule, make_targets, reduce_losses
from decant.torch.row_loss import Rule, Targets, gradients_of, losses_of, rows_at_once, targets_dtype


def linear_soft_cross_entropy(
    hidden: torch.Tensor,
    weight: torch.Tensor,
    bias: Optional[torch.Tensor],
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
    chunk_tokens: Optional[int] = None,
) -> torch.Tensor:
    """`soft_cross_entropy(linear(hidden, weight, bias), labels, ...)`, some tokens at a time.

    The logits [chunk_tokens, V] of a chunk turn into their gradient in place, and that into those of hidden, weight and
    bias at once, in the forward pass (as Liger Kernel's fused linear cross-entropy, Hsu et al., 2024): beside the
    gradients' own memory a step takes chunk_tokens x V logits, and as many float32 ones where the logits are of a
    shorter type. The gradients of weight and bias are summed in float32.

    Under autocast the products are of its type. Without a gradient wanted, only the value is computed.

    Args:
        hidden: Floating-point [..., H], what the last layer is given.
        weight: [V, H], as `torch.nn.Linear` has it; it may be the embedding's.
        bias: [V] or None.
        reduction: "mean" or "sum", as `soft_cross_entropy` has it.
        chunk_tokens: By default about N H / V of N tokens, so that the logits take as much as `hidden`, and at least
            256, which keeps the products fast.

    The other arguments, and the result: as `soft_cross_entropy`, with V classes. backward() can be called once, even
    with retain_graph: it scales the gradients in place.

    Raises:
        InvalidArgumentError: As `soft_cross_entropy`; hidden, weight and bias that do not fit.
    """
    width = hidden.shape[-1]
    num_classes = weight.shape[0]
    if weight.shape != (num_classes, width) or (bias is not None and bias.shape != (num_classes,)):
        raise InvalidArgumentError(
            f"hidden {list(hidden.shape)}, weight {list(weight.shape)}, bias "
            f"{None if bias is None else list(bias.shape)}: expected [..., H], [V, H], [V]"
        )
    if reduction not in ("mean", "sum"):
        raise InvalidArgumentError(f"reduction is {reduction!r}; expected mean or sum")
    rule = make_rule(tail, temperature, alpha, label_smoothing)
    targets, scale = make_targets(
        hidden,
        labels,
        rule,
        hard,
        weights,
        hard_distillation=hard_distillation,
        divergence=divergence,
        num_classes=num_classes,
    )
    dtype = _autocast_dtype(hidden.device)
    if dtype is not None:
        hidden, weight = hidden.to(dtype), weight.to(dtype)
        bias = None if bias is None else bias.to(dtype)
    rows = hidden.reshape(-1, width)
    if chunk_tokens is None:
        chunk_tokens = max(256, rows.shape[0] * width // num_classes)
    # What each row's loss counts for in the result.
    shares = torch.ones(rows.shape[0], dtype=targets_dtype(rows), device=rows.device) if scale is None else scale
    if reduction == "mean":
        shares = shares / (max(rows.shape[0], 1) if scale is None else shares.sum().clamp_min(1e-30))
    losses = _LinearLosses.apply(rows, weight, bias, rule, shares.unsqueeze(1), max(1, chunk_tokens), *targets)
    return reduce_losses(losses, None, "sum", ())


class _LinearLosses(torch.autograd.Function):
    """shares [n, 1] times the losses of rows [n, H]: [n]. All of them must be given the same gradient."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: Optional[torch.Tensor],
        rule: Rule,
        shares: torch.Tensor,
        chunk_tokens: int,
        *parts: Any,
    ) -> torch.Tensor:
        targets = Targets(*parts)
        needs = ctx.needs_input_grad[:3]
        of_hidden = torch.empty_like(hidden) if needs[0] else None
        of_weight = torch.zeros_like(weight, dtype=shares.dtype) if needs[1] else None
        of_bias = torch.zeros_like(bias, dtype=shares.dtype) if bias is not None and needs[2] else None
        losses = torch.empty_like(shares)
        with _no_autocast(hidden.device):
            for begin in range(0, hidden.shape[0], chunk_tokens):
                end = min(begin + chunk_tokens, hidden.shape[0])
                chunk = hidden[begin:end]
                logits = torch.nn.functional.linear(chunk, weight, bias)
                of_chunk = targets.rows(begin, end)
                losses[begin:end] = _to_gradients(logits, of_chunk, rule, shares[begin:end], any(needs))
                if of_hidden is not None:
                    torch.mm(logits, weight, out=of_hidden[begin:end])
                if of_weight is not None and of_weight.dtype == logits.dtype:
                    of_weight.addmm_(logits.t(), chunk)
                elif of_weight is not None:
                    of_weight.add_(logits.t() @ chunk)
                if of_bias is not None:
                    of_bias.add_(logits.sum(0, dtype=of_bias.dtype))
        ctx.dtypes = weight.dtype, None if bias is None else bias.dtype
        ctx.save_for_backward(of_hidden, of_weight, of_bias)
        return losses.squeeze(1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, outer: torch.Tensor) -> Tuple[Any, ...]:
        of_hidden, of_weight, of_bias = ctx.saved_tensors
        factor = outer[:1].sum()  # of sum(): the same for all
        scaled = [part if part is None else part.mul_(factor.to(part.dtype)) for part in (of_hidden, of_weight, of_bias)]
        for index, dtype in enumerate(ctx.dtypes, 1):
            part = scaled[index]
            scaled[index] = None if part is None else part.to(dtype)
        return (*scaled, *(None,) * (3 + len(Targets._fields)))


# The losses [n, 1] of logits [n, V], times their shares; the logits become the gradients of that.
def _to_gradients(
    logits: torch.Tensor, targets: Targets, rule: Rule, shares: torch.Tensor, needs_gradient: bool
) -> torch.Tensor:
    losses = torch.empty_like(shares)
    step = rows_at_once(logits)
    for begin in range(0, logits.shape[0], step):
        rows = slice(begin, begin + step)
        piece, part = logits[rows], targets.rows(begin, begin + step)
        losses[rows], sums = losses_of(piece, part, rule)
        if not needs_gradient:
            continue
        out = piece if piece.dtype == sums.dtype else None
        gradients = gradients_of(piece, part, rule, sums, shares[rows], out)
        if out is None:
            piece.copy_(gradients)
    return losses.mul_(shares)


def _autocast_dtype(device: torch.device) -> Optional[torch.dtype]:
    if hasattr(torch, "get_autocast_dtype"):  # PyTorch 2.4 and later
        return torch.get_autocast_dtype(device.type) if torch.is_autocast_enabled(device.type) else None
    if device.type == "cpu":
        return torch.get_autocast_cpu_dtype() if torch.is_autocast_cpu_enabled() else None
    return torch.get_autocast_gpu_dtype() if torch.is_autocast_enabled() else None


def _no_autocast(device: torch.device) -> Any:
    return torch.autocast("cpu" if device.type == "cpu" else "cuda", enabled=False)
