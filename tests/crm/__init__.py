"""Customer records elsewhere."""
