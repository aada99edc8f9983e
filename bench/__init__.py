"""Benchmarks: ratios within one run, never absolute times. Run by `make bench`."""
