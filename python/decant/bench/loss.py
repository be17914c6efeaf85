"""The sparse loss against the dense formula: time and memory of the forward and backward pass.

    python -m decant.bench.loss {sparse,dense} THREADS      one of them, in a process of its own: JSON
"""

import json
import re
import subprocess
import sys
import time
from typing import Any, Dict, Iterator, List

from decant.bench.inputs import Row, median

_ROWS, _CLASSES, _ENTRIES = 1024, 21841, 100
_REFERENCE = "dense target, log_softmax, product, autograd"


def loss(rounds: int, threads: int) -> Iterator[Row]:
    """C = 21,841, k = 100, 1,024 rows, float32, on the processor. Memory: the most that is resident during the passes, less
    what was before them (the logits, the labels and the libraries), in fresh processes."""
    found: Dict[str, List[Dict[str, float]]] = {"sparse": [], "dense": []}
    for _ in range(min(rounds, 3)):
        for kind, results in found.items():
            command = [sys.executable, "-m", "decant.bench.loss", kind, str(threads)]
            results.append(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))
    for name, unit in (("seconds", "s"), ("peak_mib", "MiB")):
        ours, theirs = ([result[name] for result in results] for results in found.values())
        setting = "loss_c21841_k100" + ("" if name == "seconds" else "_memory")
        yield Row(setting, unit, median(ours), _REFERENCE, median(theirs), median([b / a for a, b in zip(ours, theirs)]))


def _measure(kind: str, threads: int) -> Dict[str, float]:
    import torch

    from decant.torch.labels import SoftLabels
    from decant.torch.loss import soft_cross_entropy

    torch.set_num_threads(threads)
    generator = torch.Generator().manual_seed(1)
    teacher = torch.log_softmax(3 * torch.randn(_ROWS, _CLASSES, generator=generator), 1)
    likeliest = teacher.topk(_ENTRIES)
    labels = SoftLabels(likeliest.indices, likeliest.values, 1 - likeliest.values.exp().sum(1))
    logits = 3 * torch.randn(_ROWS, _CLASSES, generator=generator)
    del teacher

    def dense(z: Any) -> Any:
        # As TinyViT makes its targets.
        unlisted = labels.tail / (_CLASSES - _ENTRIES)
        target = unlisted.unsqueeze(1).repeat(1, _CLASSES).scatter_(1, labels.ids, labels.log_probs.exp())
        return -(target * torch.log_softmax(z, 1)).sum(1).mean()

    def sparse(z: Any) -> Any:
        return soft_cross_entropy(z, labels)

    passes = sparse if kind == "sparse" else dense
    few = labels.ids[:1].new_zeros(1).float().requires_grad_()
    few.sum().backward()  # what autograd itself sets up
    leaf = logits.requires_grad_()
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # begins the peak anew
    before = _status("VmRSS")
    passes(leaf).backward()
    peak = _status("VmHWM") - before
    seconds = []
    for _ in range(5):
        leaf.grad = None
        begin = time.perf_counter()
        passes(leaf).backward()
        seconds.append(time.perf_counter() - begin)
    return {"seconds": median(seconds), "peak_mib": peak}


def _status(key: str) -> float:
    with open("/proc/self/status") as file:
        found = re.search(key + r":\s+(\d+) kB", file.read())
    assert found is not None
    return int(found[1]) / 1024


if __name__ == "__main__":
    print(json.dumps(_measure(sys.argv[1], int(sys.argv[2]))))
