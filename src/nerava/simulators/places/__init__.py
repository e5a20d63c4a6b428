"""A stand-in for the Places API (New): places, field masks with their prices, quotas by method, photos."""
