"""Stand-ins for other machines, for development, demonstration and tests; no strict profile loads them."""
