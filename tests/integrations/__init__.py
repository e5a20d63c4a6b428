"""What comes from outside is read within bounds, and refused plainly."""
