"""The subjects of the year, each a module of its own."""
