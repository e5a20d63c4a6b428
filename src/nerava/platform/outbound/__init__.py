"""Calls to other machines: one place for deadlines, second attempts, breakers, and the length of answers."""

from nerava.platform.outbound.addresses import UrlRefused, require_public_url
from nerava.platform.outbound.answers import Lost, NotSent, Reply, Result
from nerava.platform.outbound.client import Outbound, Surroundings
from nerava.platform.outbound.deadline import caller_deadline, caller_left_s
from nerava.platform.outbound.health import ProviderHealth
from nerava.platform.outbound.observing import Attempt, CacheLayer, Ending, Observer, log_attempt
from nerava.platform.outbound.pauses import Pauses, PausesInDatabase, PausesInMemory
from nerava.platform.outbound.policy import CallPolicy
from nerava.platform.outbound.with_secret import ask_with

__all__ = [
    "Attempt",
    "CacheLayer",
    "CallPolicy",
    "Ending",
    "Lost",
    "NotSent",
    "Observer",
    "Outbound",
    "Pauses",
    "PausesInDatabase",
    "PausesInMemory",
    "ProviderHealth",
    "Reply",
    "Result",
    "Surroundings",
    "UrlRefused",
    "ask_with",
    "caller_deadline",
    "caller_left_s",
    "log_attempt",
    "require_public_url",
]
