"""Calls to other machines: one place for deadlines, for second attempts, and for the length of answers."""

from nerava.platform.outbound.client import Lost, NotSent, Outbound, Reply, Result
from nerava.platform.outbound.policy import CallPolicy

__all__ = ["CallPolicy", "Lost", "NotSent", "Outbound", "Reply", "Result"]
