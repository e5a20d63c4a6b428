"""Access tokens, signing keys, roles, and the guard."""
