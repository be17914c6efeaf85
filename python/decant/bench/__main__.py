"""python -m decant.bench: the benchmarks of the Python package, as a table or JSON."""

import argparse
import importlib.util
import json
import os
import platform
import sys
import tempfile
from typing import Any, Callable, Dict, Iterator, List

import numpy as np

from decant.bench import loss, reading
from decant.bench.inputs import Row


# Modules that a setting needs beside NumPy.
_NEEDS = {"loss_c21841_k100": ["torch"], "loader": ["torch", "PIL"], "worker_memory": ["torch"]}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m decant.bench",
        description="Measures the Python package beside a reference, in turn, in the same run.",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON list of rows")
    parser.add_argument("--setting", default="all", help="a setting, or the beginning of several, or all")
    parser.add_argument("--labels", type=int, default=1_000_000, help="of a store of which labels are read")
    parser.add_argument("--open-labels", type=int, default=10_000_000, help="of the store that is opened")
    parser.add_argument("--rounds", type=int, default=5, help="of ours and the reference, in turn")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch, for the loss")
    parser.add_argument("--dir", default=None, help="where the stores are written, and removed; default: /tmp")
    arguments = parser.parse_args()
    rows: List[Row] = []
    if not arguments.json:
        print(_environment())
        print(f"\n{'':<24}{'ours':>12}{'reference':>12}{'ratio':>9}  {'unit':<18}reference")
    for row in _rows(arguments):
        rows.append(row)
        if not arguments.json:
            figures = f"{row.rate:>12.4g}{row.reference_rate:>12.4g}{row.ratio:>9.3f}"
            print(f"{row.setting:<24}{figures}  {row.unit:<18}{row.reference}", flush=True)
    if arguments.json:
        print(json.dumps([row._asdict() for row in rows]))
    if not rows:
        parser.exit(2, f"there is no setting {arguments.setting}\n")


def _rows(arguments: argparse.Namespace) -> Iterator[Row]:
    labels, rounds = arguments.labels, arguments.rounds
    with tempfile.TemporaryDirectory(dir=arguments.dir, prefix="decant_bench_") as folder:
        settings: Dict[str, Callable[[], Iterator[Row]]] = {
            "loss_c21841_k100": lambda: loss.loss(rounds, arguments.threads),
            "stream_k100": lambda: reading.stream(folder, labels, 100, rounds),
            "stream_k10": lambda: reading.stream(folder, labels, 10, rounds),
            "random_one": lambda: reading.random_one(folder, labels, rounds),
            "random_batch": lambda: reading.random_batch(folder, labels, rounds),
            "open": lambda: reading.open_first(folder, arguments.open_labels, rounds),
            "loader": lambda: _loading().loader(folder, rounds),
            "worker_memory": lambda: _loading().worker_memory(folder, labels),
        }
        wanted = "" if arguments.setting == "all" else arguments.setting
        for name, measure in settings.items():
            if name != wanted and (wanted in settings or not name.startswith(wanted)):
                continue
            missing = [module for module in _NEEDS.get(name, ()) if importlib.util.find_spec(module) is None]
            if missing:
                print(f"{name}: not installed: {', '.join(missing)}", file=sys.stderr)
                continue
            yield from measure()


# Which imports PyTorch.
def _loading() -> Any:
    from decant.bench import loading

    return loading


def _environment() -> str:
    processor = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as file:
            processor = next(line for line in file if line.startswith("model name")).split(":")[1].strip()
    except (OSError, StopIteration):
        pass
    versions = f"Python {platform.python_version()}, NumPy {np.__version__}"
    if importlib.util.find_spec("torch") is not None:
        import torch

        versions += f", PyTorch {torch.__version__}"
    return f"{processor}, {os.cpu_count()} cores; {versions}"


if __name__ == "__main__":
    main()
