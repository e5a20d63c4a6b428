"""Stand-ins for WattTime, Electricity Maps, EIA and the Utility Rate Database."""
