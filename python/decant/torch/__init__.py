"""What a PyTorch training loop needs of a store of soft labels.

    store = decant.open("labels.decant")
    LabelStream(store)                    labels in the store's order: the fastest
    LabelledDataset(my_dataset, store)    your own dataset and DataLoader, with labels
    PositionSampler(store)                the store's order for them
    SoftCrossEntropy(store)               the loss, without a dense target
"""

from decant.torch.dataset import LabelledDataset
from decant.torch.external import dataset_identity, describe_views, render_external
from decant.torch.labels import SoftLabels
from decant.torch.linear_loss import linear_soft_cross_entropy
from decant.torch.loss import SoftCrossEntropy, soft_cross_entropy
from decant.torch.mixing import mix
from decant.torch.sampler import PositionSampler
from decant.torch.selection import select, tail_from_log_probs
from decant.torch.stream import LabelBatch, LabelStream
from decant.torch.tokens import SoftLabelCollator, TokenLabels, check_tokens, pack, padded, take_soft_labels

__all__ = [
    "LabelBatch",
    "LabelStream",
    "LabelledDataset",
    "PositionSampler",
    "SoftCrossEntropy",
    "SoftLabelCollator",
    "SoftLabels",
    "TokenLabels",
    "check_tokens",
    "dataset_identity",
    "describe_views",
    "linear_soft_cross_entropy",
    "mix",
    "pack",
    "padded",
    "render_external",
    "select",
    "soft_cross_entropy",
    "tail_from_log_probs",
    "take_soft_labels",
]
