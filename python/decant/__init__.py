"""Decant: soft labels that a teacher gave once, for any number of students.

    store = decant.open("labels.decant")
    ids, log_probs, tail = store.labels(epoch=0, sample_id=42)

`decant.torch` has what a PyTorch training loop needs.
"""

from decant._decant import Labels, __version__
from decant.errors import (
    CancelledError,
    DataLossError,
    Error,
    ExhaustedError,
    InternalError,
    InvalidArgumentError,
    MismatchError,
    NotFoundError,
    UnavailableError,
)
from decant.labeller import Labeller
from decant.rows import import_rows
from decant.store import Store, open
from decant.views import Views

__all__ = [
    "CancelledError",
    "DataLossError",
    "Error",
    "ExhaustedError",
    "InternalError",
    "InvalidArgumentError",
    "Labeller",
    "Labels",
    "MismatchError",
    "NotFoundError",
    "Store",
    "UnavailableError",
    "Views",
    "__version__",
    "import_rows",
    "open",
]
