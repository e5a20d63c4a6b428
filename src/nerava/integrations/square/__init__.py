"""Square: sellers who link their till, what they sold, and what Square tells by itself."""
