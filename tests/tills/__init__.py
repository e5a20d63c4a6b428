"""Tests of tills that merchants link."""
