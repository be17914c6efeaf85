#!/usr/bin/python3
"""Reads the golden files of tests/golden/v1 with label_reader.py, and compares bit for bit.

usage: read_golden.py DIRECTORY     exit status: 0 all agree, 1 some differ
"""
import json
import pathlib
import struct
import sys

import xxhash

from label_reader import COLUMNS, Damage, Store, float_bits


def content_digest(place, codes):
    data = struct.pack("<IQI", *place)
    for name, size in COLUMNS.items():
        data += struct.pack("<%d%s" % (len(codes[name]), size), *codes[name])
    return xxhash.xxh3_128_hexdigest(data)


def differences(directory, case):
    """Names of what this reader decodes otherwise than the golden file says."""
    store = Store((directory / (case + ".schema.bin")).read_bytes(),
                  (directory / (case + ".tables.bin")).read_bytes())
    expected = json.loads((directory / (case + ".json")).read_text())
    codes = store.chunk((directory / (case + ".chunk.bin")).read_bytes(), *expected["place"])
    found = {**codes, "content_digest": content_digest(expected["place"], codes),
             "true_log_probs": float_bits([store.log_prob(code) for code in codes["true_values"]])}
    for index in range(len(store.params["temperatures"])):
        found["log_probs_%d" % index], found["tail_mass_%d" % index] = store.decode(codes, index)
    return [name for name in expected if name != "place" and found[name] != expected[name]]


def refuses(directory, damage):
    """Whether this reader refuses a damaged record among the sound ones of its case."""
    read = {kind: (directory / ("%s.%s.bin" % (damage["case"], kind))).read_bytes()
            for kind in ("schema", "tables", "chunk")}
    read[damage["kind"]] = (directory / "damage" / damage["file"]).read_bytes()
    place = json.loads((directory / (damage["case"] + ".json")).read_text())["place"]
    try:
        store = Store(read["schema"], read["tables"])
        store.decode(store.chunk(read["chunk"], *place), 0)
    except (Damage, ValueError):
        return True
    return False


def main():
    directory, failed = pathlib.Path(sys.argv[1]), 0
    cases = sorted(path.stem for path in directory.glob("*.json"))
    for case in cases:
        for name in differences(directory, case):
            print("%s: %s differs" % (case, name))
            failed += 1
    damaged = [d for d in json.loads((directory / "damage" / "damage.json").read_text())
               if d["kind"] in ("schema", "tables", "chunk")]
    for damage in damaged:
        if not refuses(directory, damage):
            print("%s is not refused" % damage["file"])
            failed += 1
    print("%d chunks, %d damaged records, %d differences" % (len(cases), len(damaged), failed))
    return 1 if failed or not cases or not damaged else 0


if __name__ == "__main__":
    sys.exit(main())
