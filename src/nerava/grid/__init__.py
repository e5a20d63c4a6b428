"""What the grid emits and what electricity costs, by time: regions, tariffs, sessions."""
