"""Stripe Connect: sponsors pay by it, drivers and merchants are paid by it."""
