"""What the grid emits and what electricity costs."""
