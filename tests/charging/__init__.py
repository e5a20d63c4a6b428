"""Recordings, sessions and their verification are judged as the product says."""
