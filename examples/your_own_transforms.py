#!/usr/bin/python3
"""Your dataset, your random transform, your DataLoader: the student sees the very crops that the teacher saw.

    python3 examples/your_own_transforms.py [labels.decant]

The transform may be torchvision's or timm's: whatever draws from `random`, NumPy's or PyTorch's global generators. Here it
is a class of its own, so that nothing else is needed.
"""
import os
import random
import sys

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

import decant
from decant.torch import LabelledDataset, PositionSampler, SoftCrossEntropy

DIGITS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "digits", "digits.npz")


class ShiftAndNoise:
    """What its repr says is kept with the labels: another transform is refused."""

    def __init__(self, pixels: int, noise: float) -> None:
        self.pixels, self.noise = pixels, noise

    def __repr__(self) -> str:
        return f"ShiftAndNoise(pixels={self.pixels}, noise={self.noise})"

    def __call__(self, image: np.ndarray) -> torch.Tensor:
        shifts = [random.randint(-self.pixels, self.pixels) for _ in range(2)]
        shifted = torch.from_numpy(np.roll(image, shifts, (0, 1))).float()[None] / 127.5 - 1
        return shifted + self.noise * torch.randn_like(shifted)


class Digits(Dataset):
    """Any map-style dataset."""

    def __init__(self, transform) -> None:
        arrays = np.load(DIGITS)
        self.data, self.targets, self.transform = arrays["x_train"], arrays["y_train"], transform

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int):
        return self.transform(self.data[index]), int(self.targets[index])


def label(path: str, dataset: Dataset, teacher: torch.nn.Module) -> None:
    job = {
        "views": {"seed": 1},
        "labels": {"epochs": 5, "k": 5, "chunk_size": 64, "calibration_labels": 256},
        "teacher": {"batch_size": 64},
    }
    with torch.no_grad(), decant.Labeller(
        path, job, num_classes=10, teacher="two layers, seed 0", dataset=dataset, num_workers=2
    ) as labeller:
        for span in labeller.spans():
            for batch in span:
                batch.put(teacher(batch.inputs))


def train(path: str, my_dataset: Dataset, student: torch.nn.Module) -> float:
    store = decant.open(path)
    dataset = LabelledDataset(my_dataset, store)  # your item, and the teacher's label of that very view
    sampler = PositionSampler(store, batch_size=64)  # or shuffle=True: labels are found in any order
    loader = DataLoader(dataset, batch_sampler=sampler, num_workers=2, persistent_workers=True)
    loss_of = SoftCrossEntropy(store)
    optimizer = torch.optim.Adam(student.parameters(), lr=3e-3)
    for epoch in range(10):
        dataset.set_epoch(epoch)
        sampler.set_epoch(epoch)
        for (images, _), labels in loader:
            loss = loss_of(student(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch:2}  loss {loss.item():.4f}")
    return loss.item()


def network(width: int) -> torch.nn.Module:
    return torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(64, width), torch.nn.ReLU(), torch.nn.Linear(width, 10)
    )


def main(path: str = "labels.decant") -> None:
    torch.manual_seed(0)
    dataset = Digits(ShiftAndNoise(pixels=1, noise=0.1))
    label(path, dataset, network(256).eval())
    print(decant.open(path))
    train(path, dataset, network(32))
    try:
        LabelledDataset(Digits(ShiftAndNoise(pixels=2, noise=0.1)), decant.open(path))
    except decant.MismatchError as error:
        print("\nAnother transform:", error)


if __name__ == "__main__":
    main(*sys.argv[1:2])
