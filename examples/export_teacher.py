#!/usr/bin/python3
"""Writes a PyTorch classifier as a TorchScript file that `decant produce` takes as its teacher.

Replace `make_network` by your own model with its trained weights. The teacher gets float32 images [B, C, H, W], normalised
with the job's teacher.mean and teacher.std, and returns float32 logits [B, classes] (before softmax). Export with the
LibTorch version that decant was built with, or an older one: newer files may use operators that it does not know.
"""
import argparse

import torch


def make_network(channels: int, classes: int) -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(channels, 16, 3, padding=1),
        torch.nn.BatchNorm2d(16),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(64, classes),
    )


parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("output", help="the TorchScript file to write")
parser.add_argument("--channels", type=int, default=1)
parser.add_argument("--classes", type=int, default=10)
parser.add_argument("--size", type=int, default=8, help="height and width of the images")
args = parser.parse_args()

network = make_network(args.channels, args.classes).eval()
example = torch.zeros(1, args.channels, args.size, args.size)
with torch.no_grad():
    traced = torch.jit.freeze(torch.jit.trace(network, example))
traced.save(args.output)
print(f"{args.output}: TorchScript of PyTorch {torch.__version__}")
