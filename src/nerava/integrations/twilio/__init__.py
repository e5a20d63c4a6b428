"""Twilio: messages to phones, and what became of them."""
