"""Who did what, to what, and why: rows that commit with the change they tell of and are never changed."""

from nerava.audit.entries import ActorKind, Entry, Result
from nerava.audit.service import AuditLog, RecordEntry, record

__all__ = ["ActorKind", "AuditLog", "Entry", "RecordEntry", "Result", "record"]
