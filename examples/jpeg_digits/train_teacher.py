#!/usr/bin/python3
"""Trains a small convolutional network on the shards of make_shards.py and exports it as TorchScript.

    train_teacher.py SHARDS TEACHER.pt [--samples 12000] [--epochs 2]

Images are resized to 224 x 224 and normalised with mean 0.5 and std 0.25. Needs numpy, PIL and PyTorch (Debian's
python3-numpy, python3-pil, python3-torch).
"""
import argparse
import glob
import io
import os
import tarfile
import time

import numpy as np
import torch
from PIL import Image

SIDE = 224


class Teacher(torch.nn.Module):
    """Logits float32 [N, classes] of images float32 [N, 3, 224, 224]."""

    def __init__(self, classes, width=24):
        super().__init__()
        layers, channels = [], 3
        for stage in range(5):
            out = width * min(2 ** stage, 4)
            layers += [torch.nn.Conv2d(channels, out, 5 if stage == 0 else 3, 4 if stage == 0 else 2, 1, bias=False),
                       torch.nn.BatchNorm2d(out), torch.nn.ReLU()]
            channels = out
        self.features = torch.nn.Sequential(*layers)
        self.head = torch.nn.Linear(channels * 16, classes)

    def forward(self, images):
        features = torch.nn.functional.adaptive_avg_pool2d(self.features(images), 4)
        return self.head(features.flatten(1))


def samples(shards, split, count):
    """Yields (RGB image uint8 [224, 224, 3], class) of the first `count` samples."""
    for shard in sorted(glob.glob(os.path.join(shards, split, "*.tar"))):
        with tarfile.open(shard) as tar:
            image = None
            for entry in tar:
                content = tar.extractfile(entry).read()
                if entry.name.endswith(".jpg"):
                    image = Image.open(io.BytesIO(content)).convert("RGB").resize((SIDE, SIDE), Image.BILINEAR)
                else:
                    if count == 0:
                        return
                    count -= 1
                    yield np.asarray(image), int(content)


def load(shards, split, count):
    pixels, classes = zip(*samples(shards, split, count))
    return torch.from_numpy(np.stack(pixels)), torch.tensor(classes)


def normalised(pixels):
    return (pixels.permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.25


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards")
    parser.add_argument("teacher")
    parser.add_argument("--samples", type=int, default=12000)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch", type=int, default=32)
    args = parser.parse_args()
    torch.manual_seed(0)
    images, classes = load(args.shards, "train", args.samples)
    test_images, test_classes = load(args.shards, "test", 1000)
    teacher = Teacher(10)
    steps = args.epochs * (len(images) // args.batch)
    optimiser = torch.optim.AdamW(teacher.parameters(), lr=2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps)
    start = time.time()
    for epoch in range(args.epochs):
        order = torch.randperm(len(images))
        for first in range(0, len(images) - args.batch + 1, args.batch):
            batch = order[first:first + args.batch]
            loss = torch.nn.functional.cross_entropy(teacher(normalised(images[batch])), classes[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        print(f"epoch {epoch + 1}: loss {loss.item():.3f}, {time.time() - start:.0f} s", flush=True)
    teacher.eval()
    with torch.no_grad():
        right = sum((teacher(normalised(part)).argmax(1) == truth).sum().item()
                    for part, truth in zip(test_images.split(100), test_classes.split(100)))
        torch.jit.trace(teacher, torch.zeros(1, 3, SIDE, SIDE)).save(args.teacher)
    print(f"{args.teacher}: {100 * right / len(test_classes):.2f} % of {len(test_classes)} test images right")


if __name__ == "__main__":
    main()
