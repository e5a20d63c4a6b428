"""Pages for people: a sponsor's."""
