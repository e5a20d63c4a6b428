"""The HTTP API under `/v1`: thin endpoints, one file per resource."""
