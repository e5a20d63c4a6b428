"""Charging: locations, sessions and their evidence, and the recordings of sessions others made."""
