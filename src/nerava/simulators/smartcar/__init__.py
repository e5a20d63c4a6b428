"""A stand-in for Smartcar: people, their cars as they park, charge and drive, consents, tokens, webhooks."""
