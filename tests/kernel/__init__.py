"""The pure values everything rests on."""
