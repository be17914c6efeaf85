"""Sparse soft labels from a teacher's logits, on the device where they are."""

from typing import Any, List, NamedTuple, Optional, Tuple

import torch
from torch import distributed

from decant.errors import InvalidArgumentError


class Selection(NamedTuple):
    """Labels of rows of logits; with the attributes of `SoftLabels`.

    Attributes:
        ids: int64 [..., k], the listed classes, ascending; padding, with 0, comes last.
        log_probs: float32 [..., k], natural logarithms of their probabilities; -inf for padding.
        tail: float32 [...], the probability of all classes that are not listed.
        lse: float32 [...], log sum_j exp(logits_j / T).
    """

    ids: torch.Tensor
    log_probs: torch.Tensor
    tail: torch.Tensor
    lse: torch.Tensor


def select(
    logits: torch.Tensor,
    *,
    k: int,
    p: Optional[float] = None,
    sample: bool = False,
    temperature: float = 1.0,
    uniforms: Optional[torch.Tensor] = None,
    seed: int = 0,
    keys: Optional[torch.Tensor] = None,
    group: Any = None,
) -> Selection:
    """The k likeliest classes of each row, the fewest with the mass p, or an unbiased sample of k.

    Of equal logits the smaller id is listed. The tail is the sum over the others, never 1 less the listed: it is right
    to a relative error of 1e-5 down to 1e-12, and 0 below about 1e-38. A class with a logit of -inf is never listed.

    By sampling, every class is listed with the probability min(1, p / t), t such that these sum to k, and given the
    probability max(p, t): unbiased, with the least variance that k classes allow (threshold or VarOpt sampling: Cohen
    et al., SIAM J. Comput. 40, 2011). The classes are drawn by systematic sampling in the order of the ids, with one
    number a row; nothing is left for the tail. `decant produce` draws in the same way, but with other numbers.

    Nothing waits for an accelerator. NaN and +inf are not looked for: such rows have log_probs of NaN, which a store
    refuses.

    Args:
        logits: Floating-point [..., C], before softmax and not divided by T. With `group`, this rank's part of them.
        k: The most classes of a label, at least 1; of fewer classes, all.
        p: top-p: the smallest set of the likeliest classes with at least this mass, of which at most k.
        sample: Draws.
        temperature: T, at which the probabilities are taken.
        uniforms: For samples: a number in [0, 1) for each row, float32 or float64 [...].
        seed, keys: For samples, instead: numbers are made from the seed and a key of each row, int64 [...], by
            splitmix64 (Steele, Lea and Flood, OOPSLA 2014). The same keys, the same numbers: use the sample id, for
            tokens sample id x 2^20 + position, and another seed for another epoch.
        group: A torch.distributed group among whose ranks the classes are divided, in equal parts, by rank: tensor- or
            vocabulary-parallel. Each rank gives the same rows and gets the same labels; only k candidates a row and
            rank, and sums, are exchanged. (`distributed.group.WORLD` for all ranks.)

    Returns:
        `Selection`, whose first three `decant.Labeller`'s batches take: batch.put(select(logits, k=100)).

    Raises:
        InvalidArgumentError: Options that are out of range or contradict each other, shapes that do not fit.
    """
    if k < 1 or not temperature > 0 or (p is not None and not 0 < p <= 1):
        raise InvalidArgumentError(f"k {k}, p {p}, temperature {temperature}: expected at least 1, in (0, 1], above 0")
    if sample and (p is not None or (uniforms is None) == (keys is None)):
        raise InvalidArgumentError("sample=True: expected either uniforms or keys, and no p")
    if logits.dim() < 1 or not logits.is_floating_point():
        raise InvalidArgumentError(f"logits {logits.dtype} {list(logits.shape)}: expected floating point, [..., C]")
    shape = logits.shape[:-1]
    for name, numbers in (("uniforms", uniforms), ("keys", keys)):
        if numbers is not None and numbers.shape != shape:
            raise InvalidArgumentError(f"{name} {list(numbers.shape)}: expected {list(shape)}, one for each row")
    rows = logits.detach().reshape(-1, logits.shape[-1])
    if sample:
        uniforms = uniforms_of(seed, keys) if uniforms is None else uniforms
        uniforms = uniforms.reshape(-1, 1).to(rows.device, torch.float64)
    shards = _Shards(group, rows.shape[1])
    k = min(k, shards.num_classes)
    step = max(1, (1 << 18 if rows.device.type == "cpu" else 1 << 25) // max(1, rows.shape[1]))
    parts: List[Selection] = []
    for begin in range(0, max(len(rows), 1), step):
        end = begin + step
        offsets = uniforms[begin:end] if sample and uniforms is not None else None
        parts.append(_select_rows(rows[begin:end], k, p, temperature, offsets, shards))
    ids, log_probs, tail, lse = (torch.cat(part) for part in zip(*parts))
    return Selection(ids.reshape(*shape, k), log_probs.reshape(*shape, k), tail.reshape(shape), lse.reshape(shape))


def tail_from_log_probs(log_probs: torch.Tensor) -> torch.Tensor:
    """1 - sum exp(log_probs), at least 0: the tail for engines that give only log-probabilities, float32 [...].

    This is lost: rounding to float16 or bfloat16 moves a log-probability x by up to |x| 2^-12 or |x| 2^-9, and the sum
    by as much as the sum of these times the probabilities, about 1e-4 or 1e-3. A tail that is not well above this is
    noise, and one that comes out negative becomes 0, as if the label listed all that matters: with tail="ghost" or
    "uniform" the student is then told that the other classes are impossible. Where the logits are at hand, `select`
    sums the tail itself.

    Args:
        log_probs: Floating-point [..., k], natural logarithms; -inf for padding.
    """
    return (1 - log_probs.double().exp().sum(-1)).clamp(0, 1).float()


def uniforms_of(seed: int, keys: torch.Tensor) -> torch.Tensor:
    """A number in [0, 1) for each key, float64 of the shape of `keys` (int64): the top 53 bits of what splitmix64 makes
    of the key added to what it makes of the seed, over 2^53. The same on every device."""
    mixed = _splitmix64(torch.full_like(keys, (seed + (1 << 63)) % (1 << 64) - (1 << 63)))
    return _shift(_splitmix64(mixed + keys), 11).double() * 2.0**-53


def _select_rows(
    logits: torch.Tensor, k: int, p: Optional[float], temperature: float, uniforms: Optional[torch.Tensor], shards: Any
) -> Selection:
    x = logits.float()
    ids, values = shards.top(x, k)  # the likeliest first
    largest = torch.where(values[:, :1] > -torch.inf, values[:, :1], 0.0)
    exps = (x - largest).div_(temperature).exp_()
    scaled = (values - largest) / temperature
    listed = scaled.exp()
    shards.set_listed(exps, ids, 0.0)
    rest = shards.sum(exps.sum(1, keepdim=True))
    log_total = (rest + listed.sum(1, keepdim=True)).log()
    lse = largest / temperature + log_total
    log_probs = scaled - log_total
    tail = rest / log_total.exp()
    if uniforms is not None:
        ids, log_probs = _sample(exps, ids, log_probs, listed, rest, uniforms, shards)
        tail = torch.zeros_like(tail)
    elif p is not None:
        # An entry stays while those before it have less than p; the tail takes what goes.
        probs = log_probs.double().exp()
        keep = probs.cumsum(1) - probs < p
        keep[:, 0] = True
        tail = tail + torch.where(keep, 0.0, probs).sum(1, keepdim=True).float()
        log_probs = torch.where(keep, log_probs, -torch.inf)
    is_entry = log_probs != -torch.inf
    order = torch.where(is_entry, ids, shards.num_classes).argsort(1)
    ids = torch.where(is_entry, ids, 0).gather(1, order)
    return Selection(ids, log_probs.gather(1, order), tail.squeeze(1), lse.squeeze(1))


# What producer/threshold_sampling.cc does, for all rows at once. `exps` are those of the unlisted classes.
def _sample(
    exps: torch.Tensor,
    ids: torch.Tensor,
    log_probs: torch.Tensor,
    listed: torch.Tensor,
    rest: torch.Tensor,
    uniforms: torch.Tensor,
    shards: Any,
) -> Tuple[torch.Tensor, torch.Tensor]:
    k = ids.shape[1]
    slots = torch.arange(k, device=ids.device)
    listed, rest = listed.double(), rest.double()
    # Above the threshold, and so listed for certain: entries that are at least an equal share of what they leave, which
    # is summed from the small end.
    left = listed.flip(1).cumsum(1).flip(1) + rest
    is_certain = (listed > 0) & (listed * (k - slots) >= left) & (slots + 1 < k)
    is_certain = is_certain.long().cumprod(1).bool()
    num_certain = is_certain.sum(1, keepdim=True)
    total = left[:, :1]
    others = exps.double() / total
    shards.set_listed(others, ids, torch.where(is_certain, 0.0, listed / total))
    num_others = shards.sum((others > 0).sum(1, keepdim=True))
    num_drawn = torch.minimum(k - num_certain, num_others)
    passed = others.cumsum(1)
    begin, end = shards.place(passed[:, -1:])
    threshold = end / num_drawn.clamp(min=1)
    points = (slots + uniforms) * threshold
    drawn = shards.drawn(passed, points, begin)
    # Slot i is the i-th certain entry, and then drawn class i - num_certain.
    drawn = drawn.gather(1, (slots - num_certain).clamp(min=0))
    is_drawn = (slots >= num_certain) & (slots < num_certain + num_drawn)
    found = torch.where(is_certain, ids, drawn)
    # Rounding can make two points hit one class, which then counts twice.
    is_again = is_drawn & torch.roll(is_drawn, 1, 1) & (drawn == torch.roll(drawn, 1, 1)) & (slots > 0)
    counts = 1 + torch.roll(is_again, -1, 1).double()
    of_drawn = (threshold * counts).log().float().expand(-1, k)
    chosen = torch.where(is_drawn & ~is_again, of_drawn, torch.full_like(of_drawn, -torch.inf))
    return found, torch.where(is_certain, log_probs, chosen)


class _Shards:
    """The classes of a row, of which this rank has [begin, begin + width)."""

    def __init__(self, group: Any, width: int) -> None:
        self._group = group
        self._size = 1 if group is None else distributed.get_world_size(group)
        self._rank = 0 if group is None else distributed.get_rank(group)
        self._width = width
        self.num_classes = width * self._size

    def top(self, x: torch.Tensor, k: int) -> Tuple[torch.Tensor, torch.Tensor]:
        """The ids and values of the k likeliest classes, [n, k]; of equal ones the smaller id."""
        keys = _top_keys(x, min(k, self._width), self._rank * self._width)
        if self._size > 1:
            keys = torch.cat(self._gather(keys), 1).topk(k, dim=1).values
        return _from_keys(keys)

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        if self._size > 1:
            distributed.all_reduce(values, group=self._group)
        return values

    def set_listed(self, rows: torch.Tensor, ids: torch.Tensor, values: Any) -> None:
        """Sets entries of rows [n, width], those that are this rank's."""
        own = ids - self._rank * self._width
        is_own = (own >= 0) & (own < self._width)
        # What is not this rank's goes to a place where it changes nothing: one that is, or else an entry itself.
        likely = is_own.long().argmax(1, keepdim=True)
        values = torch.as_tensor(values, dtype=rows.dtype, device=rows.device).expand(ids.shape)
        places = torch.where(is_own, own, own.gather(1, likely)).clamp(0, self._width - 1)
        values = torch.where(is_own, values, values.gather(1, likely))
        values = torch.where(is_own.any(1, keepdim=True), values, rows.gather(1, places))
        rows.scatter_(1, places, values)

    def place(self, sums: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor]:
        """Where this rank's sums [n, 1] begin when those of all are laid end to end, and the end of all."""
        if self._size == 1:
            return torch.zeros_like(sums), sums
        ends = torch.cat(self._gather(sums), 1).cumsum(1)
        begin = ends[:, self._rank - 1 : self._rank] if self._rank > 0 else torch.zeros_like(sums)
        return begin, ends[:, -1:]

    def drawn(self, passed: torch.Tensor, points: torch.Tensor, begin: torch.Tensor) -> torch.Tensor:
        """The ids of the classes in which the points lie, [n, k]; `passed` are the sums up to and with each class."""
        places = torch.searchsorted(passed, (points - begin).contiguous(), right=True)
        # A point behind the last sum, by rounding, belongs to the last class with a probability.
        last = torch.searchsorted(passed, passed[:, -1:].contiguous())
        ids = torch.minimum(places, last) + self._rank * self._width
        if self._size == 1:
            return ids
        # Each point is in the part of one rank: of the last that begins at or before it and is not empty.
        is_own = (points >= begin) & (passed[:, -1:] > 0)
        ids = torch.where(is_own, ids, -1)
        distributed.all_reduce(ids, op=distributed.ReduceOp.MAX, group=self._group)
        return ids

    def _gather(self, values: torch.Tensor) -> List[torch.Tensor]:
        parts = [torch.empty_like(values) for _ in range(self._size)]
        distributed.all_gather(parts, values.contiguous(), group=self._group)
        return parts


# The k largest keys of each row, descending.
def _top_keys(x: torch.Tensor, k: int, first_id: int) -> torch.Tensor:
    if x.device.type == "cpu":
        # Twice as fast; right unless the last one has equals that are left out.
        values, ids = x.topk(k, dim=1)
        if not (torch.count_nonzero(x >= values[:, -1:], dim=1) > k).any():
            return _keys(values, ids + first_id).sort(1, descending=True).values
    ids = torch.arange(first_id, first_id + x.shape[1], device=x.device)
    return _keys(x, ids).topk(k, dim=1).values


# int64 keys in the order of the values, and for equal values (0 and -0 are) in descending order of the ids: so the
# largest keys are the same on every device, whatever its topk() does with ties.
def _keys(values: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    bits = (values + 0.0).view(torch.int32)
    ordered = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).long()
    return (ordered << 32) + (0x7FFFFFFF - ids)


def _from_keys(keys: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor]:
    ids = 0x7FFFFFFF - (keys & 0xFFFFFFFF)
    ordered = (keys >> 32).int()
    values = torch.where(ordered < 0, ordered ^ 0x7FFFFFFF, ordered).view(torch.float32)
    return ids, values


# Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014; int64 wraps around.
def _splitmix64(x: torch.Tensor) -> torch.Tensor:
    x = x + (0x9E3779B97F4A7C15 - (1 << 64))
    x = (x ^ _shift(x, 30)) * (0xBF58476D1CE4E5B9 - (1 << 64))
    x = (x ^ _shift(x, 27)) * (0x94D049BB133111EB - (1 << 64))
    return x ^ _shift(x, 31)


# To the right, without the sign.
def _shift(x: torch.Tensor, bits: int) -> torch.Tensor:
    return (x >> bits) & ((1 << (64 - bits)) - 1)
