#!/usr/bin/python3
"""Checks the known answers of docs/randomness.md against a second implementation.

This file holds the rules of that page in Python's standard library, and shares no code with the C++ sources. The tables
are read out of the page, so that a number that is changed there makes the check fail.

usage: known_answers.py [PAGE]        exit 0: all agree, 1: some differ, 2: the page cannot be read
"""
import hashlib
import itertools
import math
import os
import re
import struct
import sys
from collections import namedtuple

MASK32 = (1 << 32) - 1
MASK64 = (1 << 64) - 1
PURPOSES = {"order": 1, "view": 2, "crop": 4, "flip": 5, "augment": 6, "jitter": 7, "grey": 8, "blur": 9, "erase": 10,
            "cutmix": 11, "external": 12}


# --- Philox4x32-10 and streams --------------------------------------------------------------------------------------

def philox(counter, key):
    """Ten rounds over a counter of four words with a key of two."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & MASK32, (p0 >> 32) ^ c3 ^ k1, p0 & MASK32
        k0, k1 = (k0 + 0x9E3779B9) & MASK32, (k1 + 0xBB67AE85) & MASK32
    return [c0, c1, c2, c3]


def philox_block(seed, purpose, epoch, index, block):
    counter = (index & MASK32, index >> 32, epoch, purpose << 16 | block)
    return philox(counter, (seed & MASK32, seed >> 32))


class Stream:
    """The numbers that belong to (seed, purpose, epoch, index)."""

    def __init__(self, seed, purpose, epoch, index):
        self.place = (seed, purpose, epoch, index)
        self.num_draws = 0

    def bits(self):
        block, word = divmod(self.num_draws, 4)
        self.num_draws += 1
        return philox_block(*self.place, block)[word]

    def uniform(self, low=0.0, high=1.0):
        return low + (high - low) * ((self.bits() >> 8) * 2.0**-24)

    def beta(self, alpha):
        for _ in range(64):
            x = (self.uniform() + 2.0**-25) ** (1 / alpha)
            y = (self.uniform() + 2.0**-25) ** (1 / alpha)
            if 0 < x + y <= 1:
                return x / (x + y)
        return 0.5


# --- Order ----------------------------------------------------------------------------------------------------------

def round_function(half, key):
    h = (half ^ key) * 0x9E3779B97F4A7C15 & MASK64
    h ^= h >> 32
    h = h * 0xD6E8FEB86659FD93 & MASK64
    return h >> 32


def round_key(seed, epoch, number):
    block = philox_block(seed, PURPOSES["order"], epoch, number, 0)
    return block[0] | block[1] << 32


class Order:
    """The order `global` of an epoch."""

    def __init__(self, seed, epoch, num_samples):
        bits = (num_samples - 1).bit_length()
        self.num_samples = num_samples
        self.widths = (bits - bits // 2, bits // 2)  # the part that a round changes, the part that it keeps
        self.keys = [round_key(seed, epoch, number) for number in range(8)]

    def permute(self, value):
        changed_bits, kept_bits = self.widths
        for key in self.keys:
            kept = value & ((1 << kept_bits) - 1)
            changed = (value >> kept_bits ^ round_function(kept, key)) & ((1 << changed_bits) - 1)
            value = kept << changed_bits | changed
            changed_bits, kept_bits = kept_bits, changed_bits
        return value

    def unpermute(self, value):
        changed_bits, kept_bits = self.widths
        for key in reversed(self.keys):
            changed_bits, kept_bits = kept_bits, changed_bits
            kept = value >> changed_bits
            changed = (value ^ round_function(kept, key)) & ((1 << changed_bits) - 1)
            value = changed << kept_bits | kept
        return value

    def check_range(self, value):
        if not 0 <= value < self.num_samples:  # a walk from outside need not end
            raise ValueError(f"{value} is not below {self.num_samples}")

    def sample_at(self, position):
        self.check_range(position)
        value = self.permute(position)
        while value >= self.num_samples:
            value = self.permute(value)
        return value

    def position_of(self, sample_id):
        self.check_range(sample_id)
        value = self.unpermute(sample_id)
        while value >= self.num_samples:
            value = self.unpermute(value)
        return value


# --- Views ----------------------------------------------------------------------------------------------------------

Spec = namedtuple("Spec", "shift rotate shear zoom brightness mixup mixup_alpha")
View = namedtuple("View", "shift_x shift_y half_tan shear scale brightness mixed own_share")


def fixed_point(value):
    return math.floor(value * 65536 + 0.5)


def draw_view(spec, seed, epoch, sample_id):
    stream = Stream(seed, PURPOSES["view"], epoch, sample_id)
    largest = math.tan(spec.rotate * math.pi / 360)
    shift_x = stream.uniform(-spec.shift, spec.shift)
    shift_y = stream.uniform(-spec.shift, spec.shift)
    half_tan = stream.uniform(-largest, largest)
    shear = stream.uniform(-spec.shear, spec.shear)
    scale = stream.uniform(1 - spec.zoom, 1 + spec.zoom)
    brightness = fixed_point(stream.uniform(1 - spec.brightness, 1 + spec.brightness))
    mixed = stream.uniform() < spec.mixup
    own_share = fixed_point(stream.beta(spec.mixup_alpha)) if mixed else 65536
    return View(shift_x, shift_y, half_tan, shear, scale, brightness, mixed, own_share)


ONE = 1 << 24

# Keys of a spec and their defaults.
DEFAULTS = dict(
    size="0x0", crop="none", crop_share=0.875, scale_min=0.08, scale_max=1, ratio_min=3 / 4, ratio_max=4 / 3, flip=0,
    shift=0, rotate=0, shear=0, zoom=0, rand_augment_ops=0, rand_augment_magnitude=9, jitter_brightness=0,
    jitter_contrast=0, jitter_saturation=0, jitter_hue=0, grey=0, blur=0, blur_sigma_min=0.1, blur_sigma_max=2, erase=0,
    erase_scale_min=0.02, erase_scale_max=0.33, erase_ratio_min=0.3, erase_ratio_max=3.3, brightness=0, mixup=0,
    mixup_alpha=1, cutmix=0, cutmix_alpha=1)
FullSpec = namedtuple("FullSpec", DEFAULTS)
Operations = namedtuple("Operations", "flip augment order factors hue grey sigma erased")
Mixing = namedtuple("Mixing", "kind own_share box")
NOTHING = (0, 0, 0, 0)


def exact_exp(x):
    y, total = x / 1024, 1.0
    for i in range(8, 0, -1):
        total = 1 + y * total / i
    for _ in range(10):
        total *= total
    return total


def exact_log(x):
    mantissa, exponent = math.frexp(x)
    mantissa, exponent = 2 * mantissa, exponent - 1
    z, total = (mantissa - 1) / (mantissa + 1), 0.0
    for i in range(19, -1, -1):
        total = total * (z * z) + 1 / (2 * i + 1)
    return 2 * z * total + exponent * float.fromhex("0x1.62e42fefa39efp-1")


def series(x, first):
    total = 1.0
    for i in range(first + 18, first - 1, -2):
        total = 1 - x * x * total / (i * (i + 1))
    return total


FUNCTIONS = {"exp": exact_exp, "log": exact_log, "sin": lambda x: x * series(x, 2), "cos": lambda x: series(x, 1)}


def share_of_axis(value):
    return max(math.floor(value * ONE + 0.5), 1)


def place_box(stream, width, height):
    width, height = share_of_axis(width), share_of_axis(height)
    left = math.floor(stream.uniform() * (ONE - width + 1))
    top = math.floor(stream.uniform() * (ONE - height + 1))
    return left, top, width, height


def centre_box(width, height):
    width, height = share_of_axis(width), share_of_axis(height)
    return (ONE - width) // 2, (ONE - height) // 2, width, height


def draw_ratio(stream, low, high):
    return exact_exp(stream.uniform(exact_log(low), exact_log(high)))


def draw_crop(spec, seed, epoch, sample_id, image, views):
    """left, top, width, height; `image` and `views` are height, width."""
    image_ratio = image[1] / image[0]
    if spec.crop == "center":
        size = [int(side) for side in spec.size.split("x")]
        height, width = size if size[0] else views
        ratio = width / height / image_ratio
        return centre_box(min(ratio, 1) * spec.crop_share, min(1 / ratio, 1) * spec.crop_share)
    if spec.crop != "random":
        return 0, 0, ONE, ONE
    stream = Stream(seed, PURPOSES["crop"], epoch, sample_id)
    for _ in range(10):
        area = stream.uniform(spec.scale_min, spec.scale_max)
        ratio = draw_ratio(stream, spec.ratio_min, spec.ratio_max) / image_ratio
        width, height = math.sqrt(area * ratio), math.sqrt(area / ratio)
        if width <= 1 and height <= 1:
            return place_box(stream, width, height)
    if image_ratio < spec.ratio_min:
        return centre_box(1, image_ratio / spec.ratio_min)
    if image_ratio > spec.ratio_max:
        return centre_box(spec.ratio_max / image_ratio, 1)
    return 0, 0, ONE, ONE


def draw_operations(spec, seed, epoch, sample_id):
    def stream(purpose):
        return Stream(seed, PURPOSES[purpose], epoch, sample_id)

    flip = stream("flip").uniform() < spec.flip
    source, augment = stream("augment"), []
    for _ in range(int(spec.rand_augment_ops)):
        number_of_op = math.floor(source.uniform() * 14)
        augment.append((number_of_op, int(spec.rand_augment_magnitude), source.uniform() < 0.5))
    ranges = spec.jitter_brightness, spec.jitter_contrast, spec.jitter_saturation
    order, factors, hue = (0, 1, 2, 3), (65536,) * 3, 0
    if any(ranges) or spec.jitter_hue:
        source = stream("jitter")
        order = list(itertools.permutations(range(4)))[math.floor(source.uniform() * 24)]
        factors = tuple(fixed_point(source.uniform(1 - x, 1 + x)) for x in ranges)
        hue = math.trunc(source.uniform(-spec.jitter_hue, spec.jitter_hue) * 255)
    grey = stream("grey").uniform() < spec.grey
    source, sigma = stream("blur"), 0
    if source.uniform() < spec.blur:
        sigma = fixed_point(source.uniform(spec.blur_sigma_min, spec.blur_sigma_max))
    return Operations(flip, augment, order, factors, hue, grey, sigma, draw_erased(spec, stream("erase")))


def draw_erased(spec, stream):
    if not stream.uniform() < spec.erase:
        return NOTHING
    for _ in range(10):
        area = stream.uniform(spec.erase_scale_min, spec.erase_scale_max)
        ratio = draw_ratio(stream, spec.erase_ratio_min, spec.erase_ratio_max)
        width, height = math.sqrt(area / ratio), math.sqrt(area * ratio)
        if width < 1 and height < 1:
            return place_box(stream, width, height)
    return NOTHING


def draw_mixing(spec, seed, epoch, sample_id):
    stream = Stream(seed, PURPOSES["view"], epoch, sample_id)
    for _ in range(6):
        stream.bits()
    which = stream.uniform()
    if which < spec.mixup:
        return Mixing("mixup", fixed_point(stream.beta(spec.mixup_alpha)), NOTHING)
    if not which < spec.mixup + spec.cutmix:
        return Mixing("none", 65536, NOTHING)
    stream = Stream(seed, PURPOSES["cutmix"], epoch, sample_id)
    centre = math.floor(stream.uniform() * ONE), math.floor(stream.uniform() * ONE)
    half = math.floor(math.sqrt(1 - fixed_point(stream.beta(spec.cutmix_alpha)) / 65536) * (ONE // 2))
    (left, right), (top, bottom) = ([min(max(edge, 0), ONE) for edge in (c - half, c + half)] for c in centre)
    width, height = right - left, bottom - top
    return Mixing("cutmix", 65536 - (width * height + (1 << 31) >> 32), (left, top, width, height))


def resize_axis(line, low, high, num, name):
    """Resamples [low, high) of a list of pixels to `num` of them, as Pillow does."""
    def weight(x):
        x = abs(x)
        if name == "bilinear":
            return max(1 - x, 0)
        if x < 1:
            return ((-0.5 + 2) * x - (-0.5 + 3)) * x * x + 1
        return (((x - 5) * x + 8) * x - 4) * -0.5 if x < 2 else 0

    scale = (high - low) / num
    stretch = max(scale, 1)
    support = {"bilinear": 1, "bicubic": 2}[name] * stretch
    out = []
    for i in range(num):
        centre = low + (i + 0.5) * scale
        first = math.floor(max(centre - support + 0.5, 0))
        last = min(math.floor(centre + support + 0.5), len(line))
        weights = [weight((j - centre + 0.5) * (1 / stretch)) for j in range(first, last)]
        total = 0.0
        for value in weights:
            total += value
        total_pixel = 1 << 21
        for j, value in enumerate(weights):
            value = value / total * (1 << 22)
            total_pixel += line[first + j] * math.trunc(value - 0.5 if value < 0 else value + 0.5)
        out.append(min(max(total_pixel >> 22, 0), 255))
    return out


def resize(pixels, shape, box, name, height, width):
    left, top, right, bottom = box
    planes = []
    for c in range(shape[2]):
        plane = [[pixels[(y * shape[1] + x) * shape[2] + c] for x in range(shape[1])] for y in range(shape[0])]
        plane = [resize_axis(row, left, right, width, name) for row in plane]
        columns = [resize_axis([row[x] for row in plane], top, bottom, height, name) for x in range(width)]
        planes.append(columns)
    return [plane[x][y] for y in range(height) for x in range(width) for plane in planes]


def fingerprint_part(spec, seed, epoch, sample_id, image):
    view = draw_view(spec, seed, epoch, sample_id)
    ops = draw_operations(spec, seed, epoch, sample_id)
    crop = draw_crop(spec, seed, epoch, sample_id, image[:2], (224, 224))
    part = struct.pack("<Q3I4I", sample_id, *image, *crop)
    part += struct.pack("<5i", *map(fixed_point, (view.shift_x, view.shift_y, view.half_tan, view.shear, view.scale)))
    part += struct.pack("<4IiI4I", view.brightness, *ops.factors, ops.hue, ops.sigma, *ops.erased)
    part += bytes([*ops.order, ops.flip, ops.grey, len(ops.augment), 0])
    for step in ops.augment:
        part += bytes(step)
    return part.ljust(128, b"\0")


def fingerprint(spec, seed, epoch, order, position, own, partner):
    sample_id, neighbour = order.sample_at(position), partner_position(position, order.num_samples)
    mixing = draw_mixing(spec, seed, epoch, sample_id)
    data = fingerprint_part(spec, seed, epoch, sample_id, own)
    if mixing.kind != "none" and neighbour is not None:
        kind = ("none", "mixup", "cutmix").index(mixing.kind)
        data += struct.pack("<II4I", kind, mixing.own_share, *mixing.box).ljust(32, b"\0")
        data += fingerprint_part(spec, seed, epoch, order.sample_at(neighbour), partner)
    # The low 64 bits of the XXH3-128 of long inputs are their XXH3-64.
    return min(int(xxh3_128(data.ljust(288, b"\0"))[16:], 16) & 0xFFFF, 0xFFFE)


def partner_position(position, num_samples):
    """None for the odd last position."""
    return position ^ 1 if position ^ 1 < num_samples else None


def render_one(pixels, shape, view):
    """The view of one image, before mixing. `pixels` is [height, width, channels] in one list."""
    height, width, channels = shape
    t = view.half_tan
    cosine, sine = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
    rx, ry = cosine / view.scale, sine / view.scale
    yx, yy = -ry, rx
    xx, xy = rx - view.shear * yx, ry - view.shear * yy
    shift_x, shift_y = view.shift_x * width, view.shift_y * height
    x0, y0 = -(xx * shift_x + xy * shift_y), -(yx * shift_x + yy * shift_y)

    def at(y, x, c):
        return pixels[(y * width + x) * channels + c] if 0 <= y < height and 0 <= x < width else 0

    out = []
    for y in range(height):
        for x in range(width):
            out_x, out_y = x + 0.5 - width / 2, y + 0.5 - height / 2
            in_x = xx * out_x + xy * out_y + x0 + width / 2 - 0.5
            in_y = yx * out_x + yy * out_y + y0 + height / 2 - 0.5
            fixed_x, fixed_y = math.floor(in_x * 256 + 0.5), math.floor(in_y * 256 + 0.5)
            left, top, wx, wy = fixed_x >> 8, fixed_y >> 8, fixed_x & 255, fixed_y & 255
            for c in range(channels):
                upper = at(top, left, c) * (256 - wx) + at(top, left + 1, c) * wx
                lower = at(top + 1, left, c) * (256 - wx) + at(top + 1, left + 1, c) * wx
                grey = (upper * (256 - wy) + lower * wy + 32768) >> 16
                out.append(min((grey * view.brightness + 32768) >> 16, 255))
    return out


def mix(own, partner, own_share):
    return [(a * own_share + b * (65536 - own_share) + 32768) >> 16 for a, b in zip(own, partner)]


def render(images, shape, spec, seed, epoch, order, position):
    """The pixels of the view at a position. `images` maps a sample id to pixels."""
    sample_id = order.sample_at(position)
    view = draw_view(spec, seed, epoch, sample_id)
    pixels = render_one(images(sample_id), shape, view)
    neighbour = partner_position(position, order.num_samples)
    if not view.mixed or neighbour is None:
        return pixels
    partner_id = order.sample_at(neighbour)
    partner = render_one(images(partner_id), shape, draw_view(spec, seed, epoch, partner_id))
    return mix(pixels, partner, view.own_share)


def pattern(sample_id, shape):
    """The test images of the page."""
    return [((sample_id + 1) * 31 + 7 * i + 1) % 256 for i in range(math.prod(shape))]


# --- XXH3-128 of more than 240 bytes, as the xxHash specification 0.2 has it ------------------------------------------

SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221b8084674f743248e"
    "e03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8a8fa763fe39c343ff9dcbbc7c70b4f1d"
    "8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc"
    "8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e")
PRIME32 = (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D)
PRIME64 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5)


def word64(data, offset):
    return int.from_bytes(data[offset:offset + 8], "little")


def xxh3_128(data):
    if len(data) <= 240:
        raise ValueError("only the long form is here")
    acc = [PRIME32[2], *PRIME64[:4], PRIME32[1], PRIME64[4], PRIME32[0]]

    def accumulate(offset, secret):
        for lane in range(8):
            value = word64(data, offset + 8 * lane)
            keyed = value ^ word64(SECRET, secret + 8 * lane)
            acc[lane ^ 1] = (acc[lane ^ 1] + value) & MASK64
            acc[lane] = (acc[lane] + (keyed & MASK32) * (keyed >> 32)) & MASK64

    num_stripes = (len(data) - 1) // 64
    for stripe in range(num_stripes):
        accumulate(64 * stripe, stripe % 16 * 8)
        if stripe % 16 == 15:
            for lane in range(8):
                acc[lane] = (acc[lane] ^ acc[lane] >> 47 ^ word64(SECRET, 128 + 8 * lane)) * PRIME32[0] & MASK64
    accumulate(len(data) - 64, 121)

    def merge(secret, value):
        for pair in range(4):
            product = (acc[2 * pair] ^ word64(SECRET, secret + 16 * pair)) * (
                acc[2 * pair + 1] ^ word64(SECRET, secret + 16 * pair + 8))
            value += (product & MASK64) ^ product >> 64
        value &= MASK64
        value = (value ^ value >> 37) * 0x165667919E3779F9 & MASK64
        return value ^ value >> 32

    low = merge(11, len(data) * PRIME64[0] & MASK64)
    high = merge(117, ~(len(data) * PRIME64[1]) & MASK64)
    return "%016x%016x" % (high, low)


# --- The page -------------------------------------------------------------------------------------------------------

class Page:
    """The tables of the page: each follows a comment `<!-- known answers: NAME -->`."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.lines = file.read().splitlines()
        self.tables = {}
        for number, line in enumerate(self.lines):
            marker = re.fullmatch(r"<!-- known answers: (\w+) -->", line.strip())
            if marker:
                self.tables[marker[1]] = list(self.read_table(number + 1))

    def read_table(self, number):
        """(line number, {column: cell}) for each row below the header."""
        while not self.lines[number].strip():
            number += 1
        header = self.cells(self.lines[number])
        for row in range(number + 2, len(self.lines)):
            if not self.lines[row].startswith("|"):
                return
            yield row + 1, dict(zip(header, self.cells(self.lines[row])))

    @staticmethod
    def cells(line):
        return [cell.strip().strip("`") for cell in line.strip().strip("|").split("|")]


def integers(cell):
    return [int(word, 0) for word in cell.replace(",", " ").split()]


def integer(cell):
    return int(cell, 0)


def words(values):
    return ["0x%08x" % value for value in values]


def number(cell):
    """A float from decimal or hexadecimal digits, exactly."""
    return float.fromhex(cell) if "0x" in cell else float(cell)


# Values behind pow() or tan() may differ in their last bits between math libraries.
def close(a, b):
    return math.isclose(a, b, rel_tol=1e-12, abs_tol=0)


def spec_of(row):
    return Spec(*map(number, row["spec"].split()))


SPECS = {}  # of the table `specs`


def full_spec(cell):
    keys = dict(DEFAULTS)
    for pair in SPECS.get(cell, cell).split():
        name, value = pair.split("=")
        if name not in keys:
            raise ValueError(f"no key {name}")
        keys[name] = value if isinstance(DEFAULTS[name], str) else number(value)
    return FullSpec(**keys)


def place_of(row):
    return integer(row["seed"]), integer(row["epoch"]), integer(row["sample"])


# Each check yields (expected, found) of a row; equal means agreed.

def check_philox(row):
    place = [integer(row[name]) for name in ("seed", "purpose", "epoch", "index", "block")]
    yield words(integers(row["words"])), words(philox_block(*place))


def check_draws(row):
    place = (integer(row["seed"]), PURPOSES[row["purpose"]], integer(row["epoch"]), integer(row["index"]))
    expected = integers(row["bits"])
    stream = Stream(*place)
    yield words(expected), words([stream.bits() for _ in expected])
    stream = Stream(*place)
    numerators = integers(row["uniform x 2^24"])
    yield numerators, [stream.uniform() * 2**24 for _ in numerators]


def check_beta(row):
    stream = Stream(integer(row["seed"]), PURPOSES["view"], integer(row["epoch"]), integer(row["index"]))
    expected, found = number(row["beta"]), stream.beta(number(row["alpha"]))
    yield expected, expected if close(expected, found) else found
    yield integer(row["draws"]), stream.num_draws


def check_keys(row):
    expected = integer(row["key"])
    yield hex(expected), hex(round_key(integer(row["seed"]), integer(row["epoch"]), integer(row["round"])))


def check_round(row):
    expected = integer(row["result"])
    yield hex(expected), hex(round_function(integer(row["half"]), integer(row["key"])))


def check_permutation(row):
    order = Order(integer(row["seed"]), integer(row["epoch"]), integer(row["n"]))
    expected = integers(row["samples at positions 0, 1, 2, ..."])
    yield order.num_samples, len(expected)
    yield expected, [order.sample_at(position) for position in range(order.num_samples)]
    yield list(range(order.num_samples)), [order.position_of(sample_id) for sample_id in expected]


def check_positions(row):
    order = Order(integer(row["seed"]), integer(row["epoch"]), integer(row["n"]))
    position, sample_id = integer(row["position"]), integer(row["sample"])
    yield sample_id, order.sample_at(position)
    yield position, order.position_of(sample_id)


def check_views(row):
    view = draw_view(spec_of(row), integer(row["seed"]), integer(row["epoch"]), integer(row["sample"]))
    for name in ("shift_x", "shift_y", "shear", "scale"):
        yield number(row[name]), getattr(view, name)
    expected = number(row["half_tan"])
    yield expected, expected if close(expected, view.half_tan) else view.half_tan
    yield integer(row["brightness x 2^16"]), view.brightness
    yield row["mixed"] == "yes", view.mixed
    yield integer(row["own_share x 2^16"]), view.own_share


def check_partners(row):
    found = partner_position(integer(row["position"]), integer(row["n"]))
    yield row["partner's position"], "none" if found is None else str(found)


def check_pixels(row):
    shape = integers(row["shape"])
    view = View(*(number(row[name]) for name in ("shift_x", "shift_y", "half_tan", "shear", "scale")),
                integer(row["brightness x 2^16"]), False, 65536)
    yield integers(row["pixels"]), render_one(pattern(integer(row["sample"]), shape), shape, view)


def check_epochs(row):
    shape, seed = integers(row["shape"]), integer(row["seed"])
    pixels = bytearray()
    for epoch in range(integer(row["epochs"])):
        order = Order(seed, epoch, integer(row["n"]))
        for position in range(order.num_samples):
            pixels += bytes(render(lambda sample_id: pattern(sample_id, shape), shape, spec_of(row), seed, epoch, order,
                                   position))
    yield row["xxh3-128"], xxh3_128(bytes(pixels))
    yield row["sha-256"], hashlib.sha256(pixels).hexdigest()


# --- Views of tokens ------------------------------------------------------------------------------------------------

TOKEN_PURPOSE = 16


def xxh3_64(data):
    """XXH3-64 with seed 0 of 4 bytes and more."""
    size = len(data)
    if size > 240:
        return int(xxh3_128(data)[16:], 16)  # the low half, of long inputs only

    def secret(offset):
        return word64(SECRET, offset)

    def fold(a, b):
        return (a * b & MASK64) ^ (a * b >> 64)

    def mix(offset, secret_offset):
        return fold(word64(data, offset) ^ secret(secret_offset), word64(data, offset + 8) ^ secret(secret_offset + 8))

    def avalanche(h):
        h &= MASK64
        h = (h ^ h >> 37) * 0x165667919E3779F9 & MASK64
        return h ^ h >> 32

    if size <= 8:
        first, last = int.from_bytes(data[:4], "little"), int.from_bytes(data[-4:], "little")
        h = last + (first << 32) ^ secret(8) ^ secret(16)
        h ^= (h << 49 & MASK64 | h >> 15) ^ (h << 24 & MASK64 | h >> 40)
        h = h * 0x9FB21C651E98DF25 & MASK64
        h = (h ^ (h >> 35) + size) * 0x9FB21C651E98DF25 & MASK64
        return h ^ h >> 28
    if size <= 16:
        low = word64(data, 0) ^ secret(24) ^ secret(32)
        high = word64(data, size - 8) ^ secret(40) ^ secret(48)
        return avalanche(size + int.from_bytes(low.to_bytes(8, "little"), "big") + high + fold(low, high))
    h = size * PRIME64[0]
    if size <= 128:
        for pair in range((size - 1) // 32 + 1):
            h += mix(16 * pair, 32 * pair) + mix(size - 16 * (pair + 1), 32 * pair + 16)
        return avalanche(h)
    for block in range(8):
        h += mix(16 * block, 16 * block)
    h = avalanche(h)
    for block in range(8, size // 16):
        h += mix(16 * block, 16 * (block - 8) + 3)
    return avalanche(h + mix(size - 16, 119))


def words_hash(values):
    return xxh3_64(b"".join(value.to_bytes(4, "little") for value in values))


TokenSpec = namedtuple("TokenSpec", "mask mask_random mask_keep mask_token vocabulary special_tokens")


def token_view(spec, seed, epoch, sample_id, tokens):
    """(inputs, positions, fingerprint)"""
    if spec.mask == 0:
        return tokens, list(range(len(tokens))), fingerprint_of([len(tokens)])
    blocks = {position: philox_block(seed, TOKEN_PURPOSE, epoch, sample_id, position)
              for position, token in enumerate(tokens) if token not in spec.special_tokens}
    uniform = lambda word: (word >> 8) * 2.0**-24
    positions = [position for position, block in blocks.items() if uniform(block[0]) < spec.mask]
    if not positions and blocks:
        positions = [min(blocks, key=lambda position: (uniform(blocks[position][0]), position))]
    inputs, drawn = list(tokens), [len(tokens)]
    for position in positions:
        kind = uniform(blocks[position][1])
        if kind >= spec.mask_keep + spec.mask_random:
            inputs[position] = spec.mask_token
        elif kind >= spec.mask_keep:
            inputs[position] = blocks[position][2] * spec.vocabulary >> 32
        drawn += [position, inputs[position]]
    return inputs, positions, fingerprint_of(drawn)


def fingerprint_of(values):
    return min(words_hash(values) & 0xffff, 0xfffe)


def check_tokens(row):
    special = [] if row["special"] == "none" else integers(row["special"])
    mask_token, vocabulary = integers(row["mask token, vocabulary"])
    spec = TokenSpec(*map(number, row["mask, random, keep"].split()), mask_token, vocabulary, special)
    sample_id = integer(row["sample"])
    tokens = [(31 * (sample_id + 1) + 7 * i + 1) % 1000 for i in range(integer(row["n"]))]
    inputs, positions, fingerprint = token_view(spec, integer(row["seed"]), integer(row["epoch"]), sample_id, tokens)
    yield row["hash"], "0x%016x" % words_hash(tokens)
    yield row["fingerprint"], "0x%04x" % fingerprint
    if row["positions"] == "all":
        yield positions, list(range(len(tokens)))
        yield inputs, tokens
        return
    yield integers(row["positions"]), positions
    yield integers(row["inputs there"]), [inputs[position] for position in positions]
    yield [token for i, token in enumerate(tokens) if i not in positions], [
        token for i, token in enumerate(inputs) if i not in positions]


def check_functions(row):
    yield number(row["value"]), FUNCTIONS[row["function"]](number(row["x"]))


def check_crops(row):
    box = draw_crop(full_spec(row["spec"]), *place_of(row), integers(row["image H W"]), integers(row["views h w"]))
    yield integers(row["left top width height"]), list(box)


def check_resized(row):
    shape, box = integers(row["shape"]), [number(edge) for edge in row["box"].split()]
    pixels = resize(pattern(integer(row["sample"]), shape), shape, box, row["filter"], *integers(row["size h w"]))
    yield integers(row["pixels"]), pixels


def check_specs(row):
    SPECS[row["name"]] = row["keys"]
    yield row["keys"] != "", full_spec(row["name"]) != full_spec("")


def check_operations(row):
    found = draw_operations(full_spec(row["spec"]), *place_of(row))
    augment = ", ".join(f"{op} {magnitude} {'-' if negative else '+'}" for op, magnitude, negative in found.augment)
    yield row["augment: number magnitude sign"], augment or "none"
    yield row["flip"] == "yes", found.flip
    yield integers(row["jitter order"]), list(found.order)
    yield integers(row["brightness contrast saturation"]), list(found.factors)
    yield integer(row["hue"]), found.hue
    yield row["grey"] == "yes", found.grey
    yield integer(row["sigma x 2^16"]), found.sigma
    yield integers(row["erased left top width height"]), list(found.erased)


def check_mixing(row):
    found = draw_mixing(full_spec(row["spec"]), *place_of(row))
    yield row["kind"], found.kind
    yield integer(row["own_share x 2^16"]), found.own_share
    yield integers(row["box left top width height"]), list(found.box)


def check_fingerprints(row):
    seed, epoch = integer(row["seed"]), integer(row["epoch"])
    order = Order(seed, epoch, integer(row["n"]))
    found = fingerprint(full_spec(row["spec"]), seed, epoch, order, integer(row["position"]),
                        integers(row["own shape"]), integers(row["partner shape"]))
    yield hex(integer(row["fingerprint"])), hex(found)


def check_external(row):
    seed, epoch, sample_id = place_of(row)
    block = philox_block(seed, PURPOSES["external"], epoch, sample_id, 0)
    yield hex(integer(row["key"])), hex(block[0] | block[1] << 32)


CHECKS = {"tokens": check_tokens, "specs": check_specs, "functions": check_functions, "crops": check_crops, "resized": check_resized,
          "operations": check_operations, "mixing": check_mixing, "fingerprints": check_fingerprints,
          "external": check_external, "philox": check_philox, "draws": check_draws, "beta": check_beta,
          "keys": check_keys, "round": check_round, "permutation": check_permutation, "positions": check_positions,
          "views": check_views,
          "partners": check_partners, "pixels": check_pixels, "epochs": check_epochs}


def main():
    default = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "randomness.md")
    path = os.path.normpath(sys.argv[1] if len(sys.argv) > 1 else default)
    try:
        page = Page(path)
    except OSError as error:
        print(f"known_answers: {error}", file=sys.stderr)
        return 2
    num_answers = num_wrong = 0

    def complain(text):
        nonlocal num_wrong
        num_wrong += 1
        print(text, file=sys.stderr)

    for name in sorted(CHECKS.keys() ^ page.tables.keys()):
        complain(f"{path}: " + (f"no table '{name}'" if name in CHECKS else f"no check for the table '{name}'"))
    for name, check in CHECKS.items():
        rows = page.tables.get(name, [])
        if name in page.tables and not rows:
            complain(f"{path}: the table '{name}' has no rows")
        for line, row in rows:
            num_answers += 1
            try:
                for expected, found in check(row):
                    if expected != found:
                        complain(f"{path}:{line}: {name}: the page has {expected}, computed {found}")
            except (KeyError, TypeError, ValueError) as error:
                complain(f"{path}:{line}: {name}: cannot read the row: {error!r}")
    if num_wrong:
        print(f"known_answers: {num_wrong} of {num_answers} rows and tables differ", file=sys.stderr)
        return 1
    print(f"known_answers: {num_answers} rows agree")
    return 0


if __name__ == "__main__":
    sys.exit(main())
