"""The commands of `nerava`, one module a group; each only parses, calls, and shows."""
