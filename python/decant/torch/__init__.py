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
from decant.torch.loss import SoftCrossEntropy, soft_cross_entropy
from decant.torch.mixing import mix
from decant.torch.sampler import PositionSampler
from decant.torch.stream import LabelBatch, LabelStream

__all__ = [
    "LabelBatch",
    "LabelStream",
    "LabelledDataset",
    "PositionSampler",
    "SoftCrossEntropy",
    "SoftLabels",
    "dataset_identity",
    "describe_views",
    "mix",
    "render_external",
    "soft_cross_entropy",
]
