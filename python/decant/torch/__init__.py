"""What a PyTorch training loop needs of a store of soft labels.

    store = decant.open("labels.decant")
    LabelStream(store)                    labels in the store's order: the fastest
    LabelledDataset(my_dataset, store)    your own dataset and DataLoader, with labels
    PositionSampler(store)                the store's order for them
"""

from decant.torch.dataset import LabelledDataset
from decant.torch.external import dataset_identity, describe_views, render_external
from decant.torch.labels import SoftLabels
from decant.torch.mixing import mix
from decant.torch.sampler import PositionSampler
from decant.torch.stream import LabelBatch, LabelStream

__all__ = [
    "LabelBatch",
    "LabelStream",
    "LabelledDataset",
    "PositionSampler",
    "SoftLabels",
    "dataset_identity",
    "describe_views",
    "mix",
    "render_external",
]
