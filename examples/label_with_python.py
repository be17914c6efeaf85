#!/usr/bin/python3
"""A teacher that only runs in Python labels a dataset, in two processes: no MPI, no coordinator.

    python3 examples/label_with_python.py [labels.decant]

Start it as often as you like, on as many machines as see the folder: every process takes spans that nobody else has.
Kill any of them, and start again: nothing that was finished is lost.
"""
import multiprocessing
import os
import sys

import torch

import decant

DIGITS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "digits", "digits.npz")

# The keys are those of a job file. Decant reads the images and renders the views.
JOB = {
    "data": {"path": DIGITS},
    "views": {"seed": 1, "shift": 0.1, "rotate": 10},
    "labels": {"epochs": 4, "k": 5, "chunk_size": 64, "span_chunks": 5, "calibration_labels": 256},
    "teacher": {"batch_size": 64},
}


def make_teacher() -> torch.nn.Module:
    """Yours, with its weights, on its device."""
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10)).eval()


def label(path: str) -> None:
    torch.set_num_threads(1)
    teacher = make_teacher()
    num_samples = 0
    with torch.no_grad(), decant.Labeller(path, JOB, num_classes=10, teacher="linear, seed 0") as labeller:
        for span in labeller.spans():
            for batch in span:
                batch.put(teacher(batch.inputs))
            num_samples += len(span)
    print(f"process {os.getpid()} labelled {num_samples:,} views")


def main(path: str = "labels.decant") -> None:
    processes = [multiprocessing.get_context("spawn").Process(target=label, args=(path,)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    store = decant.open(path)
    print(store)
    print("digest", store.digest)


if __name__ == "__main__":
    main(*sys.argv[1:2])
