"""Tills: points of sale that merchants link, what was sold at them, and which redemptions that proves."""
