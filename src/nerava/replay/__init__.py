"""Recorded sessions, run through evidence, evaluation, posting and settlement as if they came in now."""
