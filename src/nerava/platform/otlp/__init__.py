"""Brings spans to a collector by OTLP; loaded by a process that records, and by no other."""

from nerava.platform.otlp.encoding import encoded, enveloped, rejected_in
from nerava.platform.otlp.export import Counts, Export

__all__ = ["Counts", "Export", "encoded", "enveloped", "rejected_in"]
