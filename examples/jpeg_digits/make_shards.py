#!/usr/bin/python3
"""Writes handwritten digits as JPEG photographs of their own sizes into WebDataset tar shards.

    make_shards.py OUT [--train 50000] [--test 2000]

writes OUT/train/000000.tar, ... and OUT/test/000000.tar, ...: 2,500 samples a shard, each a `.jpg` and a `.cls` with its
class. The digits are those of examples/digits, enlarged, turned, coloured, before a background of another colour with
clouds; a pure function of the sample's number. Needs numpy and PIL (python3-numpy, python3-pil).
"""
import argparse
import io
import os
import tarfile

import numpy as np
from PIL import Image

DIGITS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "digits", "digits.npz")
SHARD_SAMPLES = 2500


def photograph(digit, rng):
    """A digit, uint8 [8, 8], as an RGB image of 240 to 360 pixels a side."""
    width, height = (int(side) for side in rng.integers(240, 361, 2))
    background, ink = rng.integers(0, 256, (2, 3))
    if abs(int(background.sum()) - int(ink.sum())) < 150:  # too little contrast
        ink = 255 - background if abs(255 * 3 - 2 * int(background.sum())) >= 150 else np.array([255, 255, 0])
    clouds = rng.integers(0, 80, (6, 6, 3), dtype=np.uint8)
    scene = np.asarray(Image.fromarray(clouds).resize((width, height), Image.BILINEAR), dtype=np.float32) - 40
    side = int(min(width, height) * rng.uniform(0.55, 0.95))
    stroke = Image.fromarray(digit).resize((side, side), Image.BICUBIC).rotate(rng.uniform(-15, 15), Image.BILINEAR)
    mask = np.zeros((height, width, 1), dtype=np.float32)
    top, left = int(rng.integers(0, height - side + 1)), int(rng.integers(0, width - side + 1))
    mask[top:top + side, left:left + side, 0] = np.asarray(stroke, dtype=np.float32) / 255
    pixels = (scene + background) * (1 - mask) + ink * mask
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def add(tar, name, content):
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def write_split(out, split, images, classes, count):
    os.makedirs(os.path.join(out, split), exist_ok=True)
    for first in range(0, count, SHARD_SAMPLES):
        with tarfile.open(os.path.join(out, split, f"{first // SHARD_SAMPLES:06d}.tar"), "w") as tar:
            for number in range(first, min(first + SHARD_SAMPLES, count)):
                rng = np.random.default_rng([number, split == "test"])
                sample = number % len(images)
                jpeg = io.BytesIO()
                photograph(images[sample], rng).save(jpeg, "JPEG", quality=90)
                add(tar, f"{number:08d}.jpg", jpeg.getvalue())
                add(tar, f"{number:08d}.cls", str(int(classes[sample])).encode())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--train", type=int, default=50000)
    parser.add_argument("--test", type=int, default=2000)
    args = parser.parse_args()
    digits = np.load(DIGITS)
    write_split(args.out, "train", digits["x_train"], digits["y_train"], args.train)
    write_split(args.out, "test", digits["x_test"], digits["y_test"], args.test)


if __name__ == "__main__":
    main()
