"""Charging networks that speak OCPI with us: peers, their objects, our tokens, and what follows from them."""
