"""HubSpot: a mirror of those customers who agreed to it, and of what happens to them."""
