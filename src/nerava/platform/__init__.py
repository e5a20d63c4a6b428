"""Technical foundations. Knows nothing of charging, rewards or money."""
