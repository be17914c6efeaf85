"""A second reader of soft labels, written from docs/format.md: it shares no code with the C++ sources.

    store = Store(schema_record, tables_record)
    codes = store.chunk(chunk_record, epoch, chunk, num_samples)    # columns of whole numbers
    log_probs, tail_masses = store.decode(codes, temperature=0)     # float32 bits
"""
import hashlib
import json
import math
import struct

import xxhash

KINDS = ["count", "tail", "other_tails", "true_value", "floor", "top", "num_above"]
FIELDS = {"codec": {"calibration_labels", "delta", "max_delta", "prior", "record_order", "tables", "values"},
          "labels": {"k", "num_classes", "selection", "temperatures", "true_label", "windows"},
          "layout": {"chunk_size", "num_epochs", "num_samples", "span_chunks"},
          "dataset": None, "order": None, "seed": None, "teacher": None, "views": None}
OPTIONAL_FIELDS = {"labels": {"view_fingerprints"}}
COLUMNS = {"windows": "I", "window_hashes": "Q", "view_fingerprints": "H", "offsets": "I", "ids": "I", "values": "H",
           "tails": "H", "other_tails": "H", "true_values": "H", "extras": "I", "tie_ranks": "I"}  # as the digest has them
NO_TAIL = 0xffff


class Damage(Exception):
    pass


def check(sound, what):
    if not sound:
        raise Damage(what)


def unwrap(record, magic):
    check(len(record) >= 20, "too short")
    check(struct.unpack_from("<4sHHI", record) == (magic, 1, 0, len(record) - 20), "magic number, version or length")
    check(struct.unpack("<Q", record[-8:])[0] == xxhash.xxh3_64_intdigest(record[:-8]), "checksum")
    return record[12:-8]


class Bits:
    """A stream of bits, the lowest of each byte first."""

    def __init__(self, data):
        self.value, self.size, self.at = int.from_bytes(data, "little"), 8 * len(data), 0

    def get(self, width):
        check(self.at + width <= self.size, "past the end of the bits")
        self.at += width
        return self.value >> (self.at - width) & ((1 << width) - 1)

    def column(self, count, width):
        values = [self.get(width) for _ in range(count)]
        check(self.get(-self.at % 8) == 0, "padding")
        return values

    def check_end(self):
        check(self.size - self.at < 8 and self.value >> self.at == 0, "bytes or padding at the end")


class PrefixCode:
    def __init__(self, lengths):
        check(max(lengths) <= 10 and lengths[255] > 0, "code lengths")
        check(sum(2.0 ** -n for n in lengths if n > 0) == 1, "incomplete code")
        self.symbols, word, last = {}, 0, 0
        for length, symbol in sorted((n, s) for s, n in enumerate(lengths) if n > 0):
            word <<= length - last
            self.symbols[length, word] = symbol
            word, last = word + 1, length

    def number(self, bits, mantissa):
        length = word = 0
        while (length, word) not in self.symbols:
            length, word = length + 1, word << 1 | bits.get(1)
        symbol = self.symbols[length, word]
        if symbol == 255:
            symbol = bits.get(8)
        check(symbol < (224 if mantissa == 4 else 240), "symbol that no number has")
        if symbol < 2 << mantissa:
            return symbol
        extra = (symbol >> mantissa) - 1
        return ((1 << mantissa | symbol & (1 << mantissa) - 1) << extra) + bits.get(extra)


class Store:
    """What is needed to read chunks."""

    def __init__(self, schema_record, tables_record):
        schema, tables = json.loads(unwrap(schema_record, b"DSCH")), unwrap(tables_record, b"DTBL")
        check(schema.keys() == FIELDS.keys(), "fields of the schema")
        for name, fields in FIELDS.items():
            found = fields and schema[name].keys() - OPTIONAL_FIELDS.get(name, set())
            check(found == fields, "fields of " + name)
        self.params = {"view_fingerprints": False, **schema["labels"], **schema["codec"]}
        check(schema["labels"].get("view_fingerprints", True) is True, "view_fingerprints")
        classes = self.params["num_classes"]
        width, num_contexts, bits = (classes - 1).bit_length(), 1 + classes.bit_length(), Bits(tables)
        found, flags = bits.get(32), bits.get(8)
        check(found == classes and flags <= 3, "header of the tables")
        self.order, self.anchored = bits.column(classes, width) if flags & 1 else range(classes), flags & 2 != 0
        check(not flags & 1 or sorted(self.order) == list(range(classes)), "order of the classes")
        codes = [PrefixCode(bits.column(256, 4)) for _ in range(len(KINDS) + 2 * num_contexts)]
        bits.check_end()
        self.codes, codes = dict(zip(KINDS, codes)), codes[len(KINDS):]
        self.gaps, self.drops = codes[:num_contexts], codes[num_contexts:]
        check("sha256:" + hashlib.sha256(tables).hexdigest() == self.params["tables"], "digest of the tables")
        self.exact, self.logits = self.params["values"] == "fp16_probs", self.params["values"].endswith("logits")
        self.steps = [0.0]
        while self.params["max_delta"] > self.params["delta"] and len(self.steps) < NO_TAIL:
            step = self.params["delta"] * math.exp(min(self.steps[-1], 1000.0) / 2)
            self.steps.append(self.steps[-1] + min(step, self.params["max_delta"]))

    def log_prob(self, code):
        return -self.steps[code] if len(self.steps) > 1 else -self.params["delta"] * code

    def number(self, code):
        if self.exact:
            prob = floats([0x3c00 - code], "e", "H")[0]
            return math.log(prob) if prob > 0 else -math.inf
        if not self.logits:
            return self.log_prob(code)
        ordered = 0xffff - code
        raw = ordered - 0x8000 if ordered >= 0x8000 else 0xffff - ordered
        fp16 = self.params["values"] == "fp16_logits"
        return floats([raw], "e", "H")[0] if fp16 else floats([raw << 16])[0]

    def label(self, bits, count, out):
        params, classes = self.params, self.params["num_classes"]
        code = lambda kind: self.codes[kind].number(bits, 4)
        count = count or self.codes["count"].number(bits, 3)
        check(1 <= count <= params["k"], "count")
        if not self.exact:
            out["tails"].append((code("tail") - 1) & 0xffff)
        out["other_tails"] += [code("other_tails") for _ in params["temperatures"][1:]]
        if params["true_label"]:
            out["true_values"].append(code("true_value"))
        if self.logits or params["record_order"]:
            out["extras"].append(bits.get(32))
        floor, entries, above, anchor = code("floor"), [], count, -1
        check(floor <= (0x3c00 if self.exact else 0xfffe), "floor")
        if self.anchored:
            top = code("top")
            anchor, above = bits.get((classes - 1).bit_length()), self.codes["num_above"].number(bits, 3)
            check(top <= floor and above < count, "anchor")
            entries.append((anchor, floor - top))
        for sign, steps in ((1, above), (-1, count - len(entries) - above)):
            distance = 0
            for _ in range(steps):
                check(distance <= classes, "place")
                context = distance.bit_length()
                distance += 1 + self.gaps[context].number(bits, 3)
                entries.append((anchor + sign * distance, floor - self.drops[context].number(bits, 4)))
        entries.sort()
        check(entries[0][0] >= 0 and entries[-1][0] < classes, "place")
        check(all(value >= 0 for _, value in entries), "drop")
        values = [value for _, value in entries]
        out["ids"] += [self.order[place] for place, _ in entries]
        out["values"] += values
        if params["record_order"]:
            ranks = [bits.get((values.count(value) - 1).bit_length()) for value in values]
            check(len(set(zip(values, ranks))) == count, "ranks that come twice")
            check(all(rank < values.count(value) for rank, value in zip(ranks, values)), "ranks")
            out["tie_ranks"] += ranks
        out["offsets"].append(len(out["ids"]))

    @staticmethod
    def lengths(bits, count):
        width = bits.get(8)
        check(width <= 32, "width")
        return bits.column(count, width)

    def chunk(self, record, epoch, chunk, num_samples):
        bits = Bits(unwrap(record, b"DCHK"))
        check((bits.get(32), bits.get(64), bits.get(32)) == (epoch, chunk, num_samples), "place")
        out, num_labels = {name: [] for name in COLUMNS}, num_samples
        out["offsets"] = [0]
        if self.params["windows"]:
            out["windows"] = [0]
            for length in self.lengths(bits, num_samples):
                out["windows"].append(out["windows"][-1] + length)
            out["window_hashes"] = bits.column(num_samples, 64)
            num_labels = out["windows"][-1]
        if self.params["view_fingerprints"]:
            out["view_fingerprints"] = bits.column(num_samples, 16)
        count, shortest = bits.get(32), bits.get(32)
        lengths = self.lengths(bits, num_labels)
        check(num_labels == 0 or shortest > 0, "bits of the shortest label")
        for length in lengths:
            end = bits.at + shortest + length
            self.label(bits, count, out)
            check(bits.at == end, "end of a label")
        bits.check_end()
        return out

    def decode(self, codes, temperature):
        """float32 bits of the log-probabilities and the tail masses at the temperature of that index."""
        log_probs, tails, temperatures = [], [], self.params["temperatures"]
        for i, (begin, end) in enumerate(zip(codes["offsets"], codes["offsets"][1:])):
            numbers = [self.number(value) for value in codes["values"][begin:end]]
            tail = -math.inf if self.exact or codes["tails"][i] == NO_TAIL else self.log_prob(codes["tails"][i])
            if self.logits:
                log_sum_exp = floats([codes["extras"][i]])[0]
                label, mass = [min(n - log_sum_exp, 0.0) for n in numbers], math.exp(tail)
            elif self.exact:
                label, mass = numbers, max(0.0, 1 - mass_of(numbers))
            else:
                total = sum(round(math.exp(n) * 2 ** 40) for n in numbers + [tail]) / 2 ** 40
                check(total > 0, "no mass")
                label, mass = [min(n - math.log(total), 0.0) for n in numbers], math.exp(tail) / total
            if temperature > 0:
                ratio = temperatures[0] / temperatures[temperature]
                odds = codes["other_tails"][i * (len(temperatures) - 1) + temperature - 1]
                mass = 0.0 if odds == NO_TAIL else 1 / (1 + math.exp(-self.params["delta"] * (odds - 32767)))
                label = floats(float_bits(label))
                scaled = [ratio * (p - max(label)) for p in label]
                share = math.log1p(-min(mass, 1 - 2.0 ** -53)) - math.log(mass_of(scaled))
                label = [p + share for p in scaled]
            log_probs += label
            tails.append(mass)
        return float_bits(log_probs), float_bits(tails)


def mass_of(log_probs):
    mass = 0.0
    for log_prob in log_probs:  # in order: sum() rounds otherwise from Python 3.12 on
        mass += math.exp(log_prob)
    return mass


def floats(bits, number="f", integer="I"):
    return struct.unpack("<%d%s" % (len(bits), number), struct.pack("<%d%s" % (len(bits), integer), *bits))


def float_bits(numbers):
    return list(floats(numbers, "I", "f"))
