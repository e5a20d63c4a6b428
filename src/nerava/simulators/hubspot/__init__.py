"""A simulated HubSpot: one portal with contacts, events, their definitions, and limits."""
