"""Charging stations of Open Charge Map, whose licence differs by row: one source for each who gave rows."""
