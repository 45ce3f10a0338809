"""Benchmarks of powermkt against its peers, as ratios in one run."""
