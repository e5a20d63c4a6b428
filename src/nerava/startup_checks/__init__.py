"""What must be true before a process may serve: checked without a socket, told by name, never by value."""

from nerava.startup_checks.checking import check_books, check_start
from nerava.startup_checks.findings import EX_CONFIG, ConfigurationRefused, Finding
from nerava.startup_checks.reading import load_settings

__all__ = ["EX_CONFIG", "ConfigurationRefused", "Finding", "check_books", "check_start", "load_settings"]
