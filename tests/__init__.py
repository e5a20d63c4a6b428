"""Everything that shows Nerava to be right."""
