"""Pure values and the few seams everything rests on. No I/O, no framework."""
