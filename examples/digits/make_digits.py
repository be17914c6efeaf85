#!/usr/bin/python3
"""Makes digits.npz from the file that Debian's python3-sklearn carries (see README.md here)."""
import gzip
import sys

import numpy as np

SOURCE = "/usr/lib/python3/dist-packages/sklearn/datasets/data/digits.csv.gz"
NUM_TRAIN = 1200

table = np.loadtxt(gzip.open(sys.argv[1] if len(sys.argv) > 1 else SOURCE), delimiter=",")
images = np.rint(table[:, :64] * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8)
labels = table[:, 64].astype(np.uint8)
np.savez_compressed("digits.npz", x_train=images[:NUM_TRAIN], y_train=labels[:NUM_TRAIN],
                    x_test=images[NUM_TRAIN:], y_test=labels[NUM_TRAIN:])
