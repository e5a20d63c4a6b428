"""Customer records elsewhere: who agreed to be in them, what they are told, and how people leave them."""
