"""OCPI 2.2.1 and 2.3.0 as a mobility service provider: read tolerantly, written exactly."""
