#!/usr/bin/python3
"""Compares Decant's scaling and image operations with Pillow's, on random images, sizes, boxes and parameters.

usage: compare_views_with_pillow.py IMAGE_OPS [SEED]       IMAGE_OPS: the program of tests/tools/image_ops.cc
"""
import math
import os
import random
import subprocess
import sys
import tempfile
from collections import defaultdict

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

FILTERS = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}
OPS = ("identity shear_x shear_y translate_x translate_y rotate brightness color contrast sharpness posterize solarize "
       "auto_contrast equalize").split()
# All are equal to the bit but those whose factors Decant keeps as multiples of 2^-16, where Pillow has floats, and the
# rotation, for which Pillow rounds sines to 15 digits.
TOLERANCE = defaultdict(
    int, {f"augment {OPS.index(op)}": 1 for op in ("brightness", "color", "contrast", "sharpness", "rotate")})


def smooth_image(rng, height, width, channels):
    """A picture with areas, edges, some noise, and all of black and white."""
    y, x = np.mgrid[0:height, 0:width]
    planes = []
    for _ in range(channels):
        wave = sum(rng.uniform(10, 60) * np.sin(x * rng.uniform(0.01, 0.5) + y * rng.uniform(0.01, 0.5))
                   for _ in range(3))
        edge = 80 * ((x * rng.uniform(-1, 1) + y * rng.uniform(-1, 1)) > 0)
        noise = np.array([rng.gauss(0, 8) for _ in range(64)])[(x * 7 + y * 13) % 64]
        planes.append(wave + edge + noise + rng.uniform(60, 180))
    return np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)


def make_image(rng, channels=None):
    channels = channels or rng.choice([1, 3, 3, 3])
    height, width = rng.randint(1, 90), rng.randint(1, 90)
    kind = rng.randrange(5)
    if kind == 0:  # noise
        return np.frombuffer(rng.randbytes(height * width * channels), np.uint8).reshape(height, width, channels)
    if kind == 1 and rng.random() < 0.3:  # one colour
        return np.full((height, width, channels), rng.randrange(256), np.uint8)
    return smooth_image(rng, height, width, channels)


def to_pillow(image):
    return Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)


def from_pillow(image):
    array = np.asarray(image)
    return array[:, :, None] if array.ndim == 2 else array


def turn_hue(image, steps):
    """torchvision's adjust_hue."""
    if image.mode == "L":
        return image
    h, s, v = image.convert("HSV").split()
    h = Image.fromarray((np.asarray(h).astype(int) + steps).astype(np.uint8), "L")
    return Image.merge("HSV", (h, s, v)).convert("RGB")


def augment(image, op, magnitude, negative, fill):
    """torchvision's _apply_op, with shifts that are not rounded to whole pixels."""
    share = magnitude / 30
    signed = -share if negative else share
    fill = fill[0] if image.mode == "L" else tuple(fill)

    def affine(*matrix):
        return image.transform(image.size, Image.AFFINE, matrix, Image.BILINEAR, fillcolor=fill)

    return {
        "identity": lambda: image,
        "shear_x": lambda: affine(1, 0.3 * signed, 0, 0, 1, 0),
        "shear_y": lambda: affine(1, 0, 0, 0.3 * signed, 1, 0),
        "translate_x": lambda: affine(1, 0, -150.0 / 331.0 * signed * image.width, 0, 1, 0),
        "translate_y": lambda: affine(1, 0, 0, 0, 1, -150.0 / 331.0 * signed * image.height),
        "rotate": lambda: image.rotate(30 * signed, Image.BILINEAR, fillcolor=fill),
        "brightness": lambda: ImageEnhance.Brightness(image).enhance(1 + 0.9 * signed),
        "color": lambda: ImageEnhance.Color(image).enhance(1 + 0.9 * signed),
        "contrast": lambda: ImageEnhance.Contrast(image).enhance(1 + 0.9 * signed),
        "sharpness": lambda: ImageEnhance.Sharpness(image).enhance(1 + 0.9 * signed),
        "posterize": lambda: ImageOps.posterize(image, 8 - round(magnitude / 7.5)),
        "solarize": lambda: ImageOps.solarize(image, 255 - 8.5 * magnitude),
        "auto_contrast": lambda: ImageOps.autocontrast(image),
        "equalize": lambda: ImageOps.equalize(image),
    }[op]()


def random_box(rng, width, height):
    if rng.random() < 0.2:
        return (0.0, 0.0, float(width), float(height))
    xs, ys = (sorted([rng.uniform(0, size), rng.uniform(0, size)]) for size in (width, height))
    if rng.random() < 0.3:
        xs, ys = [math.floor(xs[0]), math.ceil(xs[1])], [math.floor(ys[0]), math.ceil(ys[1])]
    if xs[1] - xs[0] < 0.01 or ys[1] - ys[0] < 0.01:
        return (0.0, 0.0, float(width), float(height))
    return tuple(float(np.float32(edge)) for edge in (xs[0], ys[0], xs[1], ys[1]))


def resize_case(rng):
    image = make_image(rng)
    name, height, width = rng.choice(list(FILTERS)), rng.randint(1, 80), rng.randint(1, 80)
    box = random_box(rng, image.shape[1], image.shape[0])
    expected = to_pillow(image).resize((width, height), FILTERS[name], box=box)
    return image, f"resize {name} {height} {width} " + " ".join(f"{edge:.9g}" for edge in box), expected


def change_case(rng, operation):
    image = make_image(rng)
    pillow = to_pillow(image)
    if operation in ("brightness", "contrast", "saturation", "sharpness"):
        enhancer = {"brightness": ImageEnhance.Brightness, "contrast": ImageEnhance.Contrast,
                    "saturation": ImageEnhance.Color, "sharpness": ImageEnhance.Sharpness}[operation]
        factor = rng.randint(0, 131072)
        return image, f"{operation} {factor}", enhancer(pillow).enhance(factor / 65536)
    if operation == "blur":
        sigma = rng.randint(6554, 65536 * 5)
        return image, f"blur {sigma}", pillow.filter(ImageFilter.GaussianBlur(sigma / 65536))
    if operation == "hue":
        steps = rng.randint(-127, 127)
        return image, f"hue {steps}", turn_hue(pillow, steps)
    if operation == "grey":
        grey = pillow.convert("L")
        return image, "grey", grey if pillow.mode == "L" else Image.merge("RGB", (grey, grey, grey))
    if operation == "flip":
        return image, "flip", ImageOps.mirror(pillow)
    op, magnitude, negative = rng.randrange(len(OPS)), rng.randint(0, 30), rng.randrange(2)
    fill = [rng.randrange(256) for _ in range(3)]
    return (image, f"augment {op} {magnitude} {negative} {fill[0]} {fill[1]} {fill[2]}",
            augment(pillow, OPS[op], magnitude, negative, fill))


def make_cases(rng):
    for _ in range(400):
        yield resize_case(rng)
    for operation in ("brightness", "contrast", "saturation", "sharpness", "blur", "hue", "grey", "flip"):
        for _ in range(40):
            yield change_case(rng, operation)
    for _ in range(500):
        yield change_case(rng, "augment")


def main():
    program = sys.argv[1]
    rng = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    cases = list(make_cases(rng))
    worst, changed, counts = defaultdict(int), defaultdict(int), defaultdict(int)
    with tempfile.TemporaryDirectory() as folder:
        commands = os.path.join(folder, "commands")
        with open(commands, "w", encoding="utf-8") as file:
            for i, (image, command, _) in enumerate(cases):
                image.tofile(os.path.join(folder, f"{i}.in"))
                size = " ".join(map(str, image.shape))
                file.write(f"{folder}/{i}.in {folder}/{i}.out {size} {command}\n")
        subprocess.run([program, commands], check=True)
        failed = 0
        for i, (image, command, expected) in enumerate(cases):
            expected = from_pillow(expected)
            found = np.fromfile(os.path.join(folder, f"{i}.out"), np.uint8).reshape(expected.shape)
            words = command.split()
            name = words[0] if words[0] != "augment" else f"augment {words[1]}"
            largest = int(np.abs(found.astype(int) - expected.astype(int)).max(initial=0))
            worst[name] = max(worst[name], largest)
            counts[name] += 1
            changed[name] += found.shape != image.shape or bool((found != image).any())
            if largest > TOLERANCE[name]:
                failed += 1
                print(f"{command} of {image.shape}: differs by {largest}", file=sys.stderr)
    for name, count in counts.items():
        title = name if not name.startswith("augment") else f"augment {OPS[int(name.split()[1])]}"
        if changed[name] == 0 and title != "augment identity":
            failed += 1
            print(f"{title}: no image was changed", file=sys.stderr)
        print(f"{title}: {count} images, largest difference {worst[name]}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
