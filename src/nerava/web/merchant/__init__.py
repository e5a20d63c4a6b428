"""Pages for people: a merchant's."""
