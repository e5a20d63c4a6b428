"""Measurements, always beside a peer in the same run, because machines are noisy and ratios are not."""
