"""Mixed views: the partner, lambda and box that the teacher saw, instead of a random mixup or cutmix."""

from typing import Any, Dict, List, Sequence, Tuple, Union

import numpy as np
import torch

import decant
from decant import _decant
from decant.errors import InvalidArgumentError

# (partner's sample id, own share, whether by cutmix, (left, top, width, height) in shares of the image); a view that is
# not mixed is its own partner.
Mixing = Tuple[int, float, bool, Tuple[float, float, float, float]]

_ONE = 1 << 24  # of a box, as in docs/randomness.md


def mix(images: torch.Tensor, positions: Any, store: decant.Store, epoch: int) -> torch.Tensor:
    """Mixes a batch as the teacher's was: instead of timm's Mixup or torchvision's MixUp and CutMix.

    The partner of position p of the epoch's order is position p XOR 1; the odd last position has none and stays as it
    is. Of two partners, one may be mixed and the other not.

    mixup: own * share + partner * (1 - share) in float32; share is a multiple of 2^-16, both products and the sum are
    rounded once. cutmix: the partner's pixels in the box; an edge at e of n pixels is pixel floor(e * n + 0.5), exactly
    as in docs/randomness.md.

    Args:
        images: Any numbers [B, ..., H, W], on any device: the views before mixing.
        positions: int [B], of the samples in the order of the store's epoch: LabelBatch.positions.
        store: Whose schema says how views are mixed. With none, nothing is.
        epoch: The store's: LabelBatch.store_epoch.

    Returns:
        float32 of the same shape and device; `images` stays as it is.

    Raises:
        InvalidArgumentError: A partner is not in the batch.
    """
    numbers = [int(position) for position in positions]
    return mix_rows(images, numbers, [_decant.mixing_of(store._native, epoch, number) for number in numbers])


def mix_rows(images: torch.Tensor, positions: Sequence[int], mixings: Sequence[Mixing]) -> torch.Tensor:
    """`mix` with what `_decant.mixing_of` says of each row. Shapes and errors as there."""
    if not len(images) == len(positions) == len(mixings):
        raise InvalidArgumentError(f"{len(images)} images at {len(positions)} positions")
    row_of: Dict[int, int] = {position: row for row, position in enumerate(positions)}
    mixed = images.to(torch.float32, copy=True)
    blended: List[int] = []
    partners: List[int] = []
    for row, (position, (_, share, is_cutmix, box)) in enumerate(zip(positions, mixings)):
        if share == 1 and not is_cutmix:
            continue
        partner = row_of.get(position ^ 1)
        if partner is None:
            raise InvalidArgumentError(
                f"position {position} is mixed with position {position ^ 1}, which is not in the batch: take batches "
                'in the store\'s order, from PositionSampler, or from LabelStream with last_batch="drop" and a '
                "batch_size that is a multiple of 2 * world_size"
            )
        if is_cutmix:
            _paste(mixed[row], images[partner], box)
        else:
            blended.append(row)
            partners.append(partner)
    if blended:
        shares = torch.tensor([mixings[row][1] for row in blended], dtype=torch.float32, device=images.device)
        shares = shares.view(-1, *[1] * (images.dim() - 1))
        rows = images[blended].to(torch.float32), images[partners].to(torch.float32)
        mixed[blended] = rows[0] * shares + rows[1] * (1 - shares)
    return mixed


def mix_pair(own: Any, partner: Any, mixing: Mixing) -> Any:
    """The item of a dataset as the teacher saw it: mixed with its partner's.

    Args:
        own, partner: Items, of the dataset's transform: images [..., H, W] as tensors or arrays, or tuples or lists
            that begin with one, whose other parts stay the own ones.

    Raises:
        InvalidArgumentError: There is no such image.
    """
    if isinstance(own, (tuple, list)) and own:
        parts = [mix_pair(own[0], partner[0], mixing), *own[1:]]
        return type(own)(*parts) if hasattr(own, "_fields") else type(own)(parts)
    if not isinstance(own, (torch.Tensor, np.ndarray)) or own.ndim < 2 or own.shape != partner.shape:
        raise InvalidArgumentError(
            "the store's views are mixed, so an item must be an image, or begin with one, as a tensor [C, H, W] of the "
            f"same shape for all; found {type(own).__name__}"
        )
    return mix_rows(torch.stack([torch.as_tensor(own), torch.as_tensor(partner)]), [0, 1], [mixing, _unmixed()])[0]


def _unmixed() -> Mixing:
    return 0, 1.0, False, (0.0, 0.0, 0.0, 0.0)


def _paste(image: torch.Tensor, partner: torch.Tensor, box: Tuple[float, float, float, float]) -> None:
    height, width = image.shape[-2:]
    left, top, box_width, box_height = (round(share * _ONE) for share in box)
    columns = slice(_edge(left, width), _edge(left + box_width, width))
    rows = slice(_edge(top, height), _edge(top + box_height, height))
    image[..., rows, columns] = partner[..., rows, columns].to(image.dtype)


def _edge(share: int, size: int) -> int:
    return (share * size + _ONE // 2) // _ONE
