"""Pages for people: those of operations."""
