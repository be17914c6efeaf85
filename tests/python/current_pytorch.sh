#!/bin/bash
# The Python package's tests under PyPI's current PyTorch, in a virtual environment; skipped with a line where there is no PyPI.
#   tests/python/current_pytorch.sh BUILD        (make test-pytorch)
set -euo pipefail
build=$(cd "$1" && pwd)
source=$(cd "$(dirname "$0")/../.." && pwd)
venv=$build/current_pytorch
if [ ! -e "$venv/complete" ]; then
  /usr/bin/python3 -m venv --clear "$venv"
  # pybind11 of Debian knows NumPy 1 alone.
  "$venv/bin/pip" install -q torch 'numpy<2' pillow pytest >"$venv/log" 2>&1 ||
    { echo "skipped: PyTorch cannot be had from PyPI: $(tail -1 "$venv/log")"; exit 77; }
  touch "$venv/complete"
fi
export PYTHONPATH=$build/python DECANT_PROGRAM=$build/cli/decant PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1
"$venv/bin/python" -c 'import torch, numpy; print(f"PyTorch {torch.__version__}, NumPy {numpy.__version__}")'
"$venv/bin/python" -m pytest -q -p no:cacheprovider "$source"/tests/python/test_*.py
