"""Simulated operators of charge points that speak OCPI 2.2.1 and 2.3.0, each below `/cpo/{n}`."""
