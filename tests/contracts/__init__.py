"""What every file of a kind must keep, found by discovery."""
