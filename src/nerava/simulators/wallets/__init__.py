"""Simulated phones with wallets: passes of Apple that are pushed to, and objects at Google."""
