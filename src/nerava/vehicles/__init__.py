"""Vehicles: whose they are, by which account at a maker they tell us something, and what they told."""
