"""Privacy: consents, copies, erasures, retention, on both databases."""
