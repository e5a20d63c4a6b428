"""The technical foundations."""
