"""OpenStreetMap extracts: places, charging stations, the pedestrian network and the base map of a file."""
