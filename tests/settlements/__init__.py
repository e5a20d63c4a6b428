"""Tests of settlements, invoices and what merchants are told."""
