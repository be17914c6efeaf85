"""What a computation allocates."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class KeptResults(TorchDispatchMode):
    """While it is active, it keeps what every operation returns, so that no memory is used twice."""

    def __init__(self):
        super().__init__()
        self.tensors = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        results = result if isinstance(result, (tuple, list)) else [result]
        self.tensors += [each for each in results if isinstance(each, torch.Tensor)]
        return result

    def storages(self):
        """The size in bytes of each allocation, by its address."""
        parts = [each.untyped_storage() if hasattr(each, "untyped_storage") else each.storage() for each in self.tensors]
        return {each.data_ptr(): each.nbytes() for each in parts}
