"""Charging stations of the United States and Canada: the Alternative Fuel Stations API of NLR, once NREL."""
