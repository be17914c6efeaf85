#!/usr/bin/python3
"""A student in PyTorch, from the store that `make demo` leaves. No teacher is needed, nor is it there any more.

    python3 examples/train_pytorch.py build/demo/labels.decant
"""
import sys

import numpy as np
import torch
from torch.utils.data import DataLoader

import decant
from decant.torch import LabelledDataset, PositionSampler, soft_cross_entropy


def main(path: str, num_epochs: int = 20) -> None:
    torch.manual_seed(0)
    store = decant.open(path)
    print(store)
    # The pixels that the teacher saw, and its labels of them, in the store's order.
    views = decant.Views(store)
    dataset = LabelledDataset(views, store, transform=to_input)
    sampler = PositionSampler(store, batch_size=64)
    loader = DataLoader(dataset, batch_sampler=sampler)

    student = torch.nn.Sequential(
        torch.nn.Conv2d(1, 16, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(16, 32, 3, stride=2, padding=1),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(512, store.num_classes),
    )
    optimizer = torch.optim.Adam(student.parameters(), lr=3e-3)
    for epoch in range(num_epochs):
        dataset.set_epoch(epoch)
        sampler.set_epoch(epoch)
        total = 0.0
        for images, labels in loader:
            loss = soft_cross_entropy(student(images), labels, tail="uniform", temperature=store.temperature)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        print(f"epoch {epoch:2}  loss {total / len(loader):.4f}")

    test = np.load(store.schema["provenance"]["job"]["data"]["path"])
    with torch.no_grad():
        found = student(torch.stack([to_input(image[:, :, None]) for image in test["x_test"]])).argmax(1)
    print(f"test accuracy {(found.numpy() == test['y_test']).mean():.4f}")


def to_input(image: np.ndarray) -> torch.Tensor:
    """uint8 [H, W, C] -> float32 [C, H, W] in [-1, 1]."""
    return torch.from_numpy(image).permute(2, 0, 1).float() / 127.5 - 1


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:3]))
