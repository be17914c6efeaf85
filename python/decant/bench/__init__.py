"""Benchmarks of the Python package, each beside a reference in the same run: python -m decant.bench --help."""
