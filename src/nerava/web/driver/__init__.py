"""Pages for people: a driver's."""
