"""A stand-in for the Open Charge Map API: points of interest under licences that differ by row."""
