"""What happened, told in the transaction in which it happened, and brought to whoever listens."""
