"""The log of the process, which commands set up anew and tests share."""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def log_as_before() -> Iterator[None]:
    """Put everything back that setting up the log of the process replaces."""
    root, ours = logging.getLogger(), logging.getLogger("nerava")
    handlers, levels = list(root.handlers), (root.level, ours.level)
    hooks = (sys.excepthook, sys.unraisablehook, threading.excepthook)
    with warnings.catch_warnings():
        try:
            yield
        finally:
            logging.captureWarnings(capture=False)
            root.handlers[:] = handlers
            root.setLevel(levels[0])
            ours.setLevel(levels[1])
            sys.excepthook, sys.unraisablehook, threading.excepthook = hooks
