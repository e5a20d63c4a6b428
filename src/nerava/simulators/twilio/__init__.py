"""A simulated Twilio Messaging: numbers, messages, callbacks, and a page that shows a phone."""
