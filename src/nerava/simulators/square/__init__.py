"""A stand-in for Square: sellers with their tills, orders, payments, refunds and signed webhooks."""
