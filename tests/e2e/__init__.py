"""One year of one installation, end to end."""
