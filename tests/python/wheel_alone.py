"""Reads a store with an installed package alone: numpy, and none of the system's libraries that a wheel carries.

usage: wheel_alone.py STORE NUM_EPOCHS NUM_SAMPLES
"""

import ast
import os
import sys

import decant
from decant import _decant

path, num_epochs, num_samples = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
package = os.path.dirname(decant.__file__)

# What the process has of the libraries that the package carries is the package's.
carried = {name.split("-")[0] + ".so" for name in os.listdir(f"{package}/_libs") if name.startswith("lib")}
assert {"librocksdb.so", "libjpeg.so", "libpng16.so", "libarchive.so", "libzstd.so"} <= carried, carried
pythons_own = {"libz.so", "libcrypto.so", "libbz2.so", "liblzma.so"}
mapped = {line.split()[-1] for line in open("/proc/self/maps") if ".so" in line}
strangers = [
    file
    for file in mapped
    if not file.startswith(package) and any(os.path.basename(file).startswith(name) for name in carried - pythons_own)
]
assert not strangers, strangers

# Python's modules get their own libraries of the same names.
import bz2, hashlib, lzma, ssl, zlib  # noqa: E401, E402, F401

# The stubs have the names of the extension.
stubs = {node.name: node for node in ast.parse(open(f"{package}/_decant.pyi").read()).body if hasattr(node, "name")}
found = {name: getattr(_decant, name) for name in dir(_decant) if not name.startswith("_")}
assert stubs.keys() == found.keys(), stubs.keys() ^ found.keys()
for name, value in found.items():
    if isinstance(value, type):
        members = {member for member in vars(value) if not member.startswith("_")}
        typed = {node.name for node in stubs[name].body if hasattr(node, "name") and not node.name.startswith("_")}
        assert members == typed, (name, members ^ typed)

store = decant.open(path)
assert (store.num_epochs, len(store)) == (num_epochs, num_samples) and store.digest, store
ids, log_probs, tail = store.labels(epoch=0, sample_id=1)
assert len(set(ids.tolist())) == len(log_probs) > 0 and (log_probs <= 0).all() and 0 <= tail <= 1
seen = 0
for batch in store.stream(100, num_epochs=num_epochs):
    again = store.labels_of(batch.store_epoch, batch.sample_ids)
    assert again.ids.tolist() == batch.labels.ids.tolist() and again.tail.tolist() == batch.labels.tail.tolist()
    assert batch.labels.dense(store.num_classes).shape == (len(batch), store.num_classes)
    seen += len(batch)
assert seen == num_epochs * num_samples, seen
print(f"decant {decant.__version__}: {seen} labels read by user {os.getuid()}, libraries of its own: {len(carried)}")
