"""The gate that a build passes before it may serve production: `scripts/prod_gate.sh`."""
