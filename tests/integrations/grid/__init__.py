"""Sources of grid carbon and tariffs."""
