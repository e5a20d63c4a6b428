"""A stand-in for Stripe with Connect: the documented wire format, state, signed webhooks, idempotency."""
