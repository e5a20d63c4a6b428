"""Sources of grid carbon and tariffs: WattTime, Electricity Maps, EIA, the Utility Rate Database, files."""
