"""What people may ask about their own data: what they agreed to, a copy of it, and its end."""
