#!/usr/bin/python3
"""Checks the known answers of docs/randomness.md against a second implementation.

This file holds the rules of that page in Python's standard library, and shares no code with the C++ sources. The tables
are read out of the page, so that a number that is changed there makes the check fail.

usage: known_answers.py [PAGE]        exit 0: all agree, 1: some differ, 2: the page cannot be read
"""
import hashlib
import math
import os
import re
import sys
from collections import namedtuple

MASK32 = (1 << 32) - 1
MASK64 = (1 << 64) - 1
PURPOSES = {"order": 1, "view": 2}


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


CHECKS = {"tokens": check_tokens, "philox": check_philox, "draws": check_draws, "beta": check_beta, "keys": check_keys, "round": check_round,
          "permutation": check_permutation, "positions": check_positions, "views": check_views,
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
