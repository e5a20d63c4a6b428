"""Adapters to the outside world, one per provider, and the readers of files people bring."""
