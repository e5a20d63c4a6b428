"""A stand-in for the Alternative Fuel Stations API: stations, their changes, an hourly limit."""
