"""Periods of merchants: what is owed is settled, claim fees are invoiced, both are paid."""
