"""The audit log, on both databases."""
