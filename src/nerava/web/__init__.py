"""What people and programs see: pages, and the HTTP API."""
