"""Cars: connected, heard, read, and what they prove."""
