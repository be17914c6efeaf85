#!/usr/bin/python3
"""Writes images of every kind, and compares the pixels of print_pixels with Pillow's, byte for byte.

usage: compare_decoding_with_pillow.py PRINT_PIXELS     exit status: 0 all agree, 1 some differ
"""
import io
import pathlib
import struct
import subprocess
import sys
import tempfile
import warnings
import zlib

import numpy as np
from PIL import Image, ImageOps

warnings.simplefilter("ignore")  # of transparency in palettes


def picture(height, width, channels, seed=0):
    """Smooth colours with noise and an edge: uint8 [height, width, channels]."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    planes = [(np.sin(x / (7 + c)) + np.cos(y / (5 + c))) * 60 + 128 + random.normal(0, 8, x.shape)
              for c in range(channels)]
    planes = np.stack(planes, -1)
    planes[: height // 2, : width // 3] = 255 - planes[: height // 2, : width // 3]
    return planes.clip(0, 255).astype(np.uint8)


def encoded(image, **options):
    data = io.BytesIO()
    image.save(data, **options)
    return data.getvalue()


def png(width, height, bit_depth, colour_type, rows, chunks=()):
    """A PNG file of packed rows, for kinds that Pillow does not write."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    scanlines = b"".join(b"\0" + row for row in rows)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bit_depth, colour_type, 0, 0, 0))
            + b"".join(chunk(*c) for c in chunks) + chunk(b"IDAT", zlib.compress(scanlines)) + chunk(b"IEND", b""))


def jpegs():
    rgb = Image.fromarray(picture(123, 187, 3))
    for subsampling in (0, 1, 2):
        yield "jpeg_subsampling_%d" % subsampling, encoded(rgb, format="JPEG", quality=85, subsampling=subsampling)
    yield "jpeg_progressive", encoded(rgb, format="JPEG", progressive=True)
    yield "jpeg_odd_size", encoded(Image.fromarray(picture(1, 17, 3)), format="JPEG")
    yield "jpeg_grey", encoded(Image.fromarray(picture(61, 40, 1)[..., 0]), format="JPEG")
    yield "jpeg_cmyk", encoded(Image.fromarray(picture(50, 33, 4), "CMYK"), format="JPEG", quality=95)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        exif[0x010F] = "a camera"
        for name in ("JPEG", "PNG"):
            yield "orientation_%d.%s" % (orientation, name), encoded(rgb, format=name, exif=exif)


def pngs():
    for mode, channels in (("L", 1), ("LA", 2), ("RGB", 3), ("RGBA", 4)):
        pixels = picture(41, 53, channels)
        yield "png_" + mode, encoded(Image.fromarray(pixels[..., 0] if channels == 1 else pixels, mode), format="PNG")
    yield "png_1", encoded(Image.fromarray(picture(41, 53, 1)[..., 0]).convert("1"), format="PNG")
    palette = Image.fromarray(picture(41, 53, 3)).quantize(200)
    yield "png_palette", encoded(palette, format="PNG")
    yield "png_palette_transparent", encoded(palette, format="PNG", transparency=bytes(range(200)))
    yield "png_palette_16_colours", encoded(Image.fromarray(picture(41, 53, 3)).quantize(16), format="PNG")
    yield "png_transparent_colour", encoded(Image.fromarray(picture(41, 53, 3)), format="PNG", transparency=(9, 9, 9))
    for bit_depth in (2, 4):
        row = np.random.default_rng(bit_depth).bytes(8)
        yield "png_grey_%d_bits" % bit_depth, png(64 // bit_depth, 3, bit_depth, 0, [row] * 3)
    for colour_type, channels in ((2, 3), (4, 2), (6, 4)):
        wide = picture(20, 30, 2 * channels, seed=channels)
        yield "png_16_bits_type_%d" % colour_type, png(30, 20, 16, colour_type, [row.tobytes() for row in wide])


def ours(program, channels, min_side, path):
    printed = subprocess.run([program, str(channels), str(min_side), path], capture_output=True)
    if printed.returncode != 0:
        return printed.stderr.decode()
    sizes, pixels = printed.stdout.split(b"\n", 1)
    return np.frombuffer(pixels, np.uint8).reshape([int(size) for size in sizes.split()])


def pillows(path, channels):
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    pixels = np.asarray(image if channels == 3 else image.convert("L"))
    return pixels if channels == 3 else pixels[..., None]


def main():
    program = sys.argv[1]
    num_compared = 0
    failed = []
    with tempfile.TemporaryDirectory() as directory:
        for name, data in [*jpegs(), *pngs()]:
            path = pathlib.Path(directory) / name
            path.write_bytes(data)
            for channels in (3, 1):
                pixels = ours(program, channels, 0, path)
                num_compared += 1
                if isinstance(pixels, str) or not np.array_equal(pixels, pillows(path, channels)):
                    failed.append("%s, %d channels: %s" % (name, channels, pixels if isinstance(pixels, str) else "differs"))
        # Pillow's draft mode is libjpeg's scaled decoding.
        path = pathlib.Path(directory) / "scaled"
        path.write_bytes(encoded(Image.fromarray(picture(320, 480, 3)), format="JPEG"))
        for min_side, size in ((160, (240, 160)), (80, (120, 80)), (40, (60, 40))):
            image = Image.open(path)
            image.draft("RGB", size)
            pixels = ours(program, 3, min_side, path)
            num_compared += 1
            if pixels.shape[:2] != size[::-1] or not np.array_equal(pixels, np.asarray(image)):
                failed.append("scaled to %s: %s" % (size, pixels.shape))
    print("\n".join(failed) or "%d images as Pillow decodes them" % num_compared)
    return 1 if failed else 0


sys.exit(main())
