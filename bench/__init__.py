"""Benchmarks. Figures are ratios of runs made in turn on one machine, so that machines can be compared."""
