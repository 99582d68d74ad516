"""Benchmarks beside what a user would otherwise reach for, in one run: `make bench`."""
