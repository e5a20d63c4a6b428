"""The scene of `nerava demo`: a provider that is simulated, invented merchants, and what one can try."""
