"""Makes the data that comes with the product."""
