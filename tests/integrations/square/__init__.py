"""Tests of the adapter of Square."""
