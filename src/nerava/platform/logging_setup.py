"""The log of the process: one handler on standard error, and nothing reaches it but through the redactor."""

from __future__ import annotations

import json
import logging
import sys
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TextIO

from nerava.platform import tracing
from nerava.platform.access_log import Served
from nerava.platform.log_context import about
from nerava.platform.redaction import REDACTOR, Redactor

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

FIELDS: Final = (
    "trace_id",
    "job",
    "session_id",
    "status",
    "duration_ms",
    "count",
    "provider",
    "operation",
    "attempt",
    "code",
    "request_id",
    "cache",
)
"""What a record may carry beside its message (`extra`); every other field is left out."""

OURS: Final = "nerava"
KINDS_KEPT: Final = 10_000
"""Of requests: routes by methods by roles, of which there are fewer."""

_NOTHING: Final[dict[str, object]] = {}
SERVERS_OWN: Final = ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi")
_CONTROLS: Final = {number: f"\\x{number:02x}" for number in (*range(32), *range(127, 160))} | {
    ord("\n"): "\\n",
    ord("\r"): "\\r",
    ord("\t"): "\\t",
}

log = logging.getLogger(__name__)


class _Redacted(logging.Formatter):
    """Puts a record into parts that were redacted; the forms of the log put these together."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def _at(self, record: logging.LogRecord) -> str:
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")

    def _message(self, record: logging.LogRecord) -> str:
        try:
            message = record.getMessage()
        except Exception as error:  # noqa: BLE001 - whatever an argument does, its record is written
            # The template alone: the arguments do not fit it, or cannot be shown.
            message = f"{record.msg} (arguments left out: {type(error).__name__})"
        return self._redactor.redacted(message)

    def _exception(self, record: logging.LogRecord) -> str:
        parts = []
        if record.exc_info and record.exc_info[0] is not None:
            parts.append(self.formatException(record.exc_info))
        elif record.exc_text:
            parts.append(record.exc_text)
        if record.stack_info:
            parts.append(record.stack_info)
        return self._redactor.redacted("\n".join(parts))

    def _fields(
        self, record: logging.LogRecord, more: Mapping[str, object] = _NOTHING
    ) -> dict[str, str | int]:
        said = {**more, **vars(record)}
        return {name: self._field(said[name]) for name in FIELDS if name in said}

    def _field(self, value: object) -> str | int:
        told = self._redactor.redacted(str(value))
        return value if isinstance(value, int) and told == str(value) else told


class ReadableForm(_Redacted):
    """A line for people; whatever is in a message, nobody writes a second line into the log."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with the traceback beneath it where there is one."""
        fields = "".join(f" {name}={value}" for name, value in self._fields(record).items())
        told = f"{self._message(record)}{fields}".translate(_CONTROLS)
        exception = self._exception(record)
        line = f"{self._at(record)} {record.levelname} {record.name}: {told}"
        return f"{line}\n{exception}" if exception else line


class JsonForm(_Redacted):
    """A line of JSON for programs: at, level, logger, message, the fields, exception.

    Whatever is told while a request is served carries its trace id and its own id, and while work is
    done the name of the job. A request that is over is told without the redactor's whole work.
    """

    def __init__(self, redactor: Redactor) -> None:
        super().__init__(redactor)
        self._told: dict[tuple[str, str, str], str] = {}

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        if isinstance(record, Served):
            return self._served(record)
        found: dict[str, str | int] = {
            "at": self._at(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._message(record),
            **self._fields(record, _about()),
        }
        exception = self._exception(record)
        return json.dumps(found | ({"exception": exception} if exception else {}))

    def _served(self, record: Served) -> str:
        told = self._told.get(record.kind)
        if told is None:
            method, route, role = record.kind
            kind = {"level": "info", "logger": record.name, "message": "served"}
            kind |= {"method": method, "route": route, "role": role}
            told = self._redactor.redacted(json.dumps(kind)[1:-1])
            if len(self._told) < KINDS_KEPT:
                self._told[record.kind] = told
        # Ids of a form that was checked, and numbers: nothing in them is to be redacted or escaped.
        trace_id, request_id = record.reference
        return (
            f'{{"at": "{self._at(record)}", {told}, "status": {record.answered}, '
            f'"duration_ms": {record.took_ms}, "trace_id": "{trace_id}", "request_id": "{request_id}"}}'
        )


def _about() -> dict[str, str]:
    """Return which request or which work this is, and which trace it belongs to."""
    span = tracing.current()
    return ({} if span is None else {"trace_id": span.trace_id}) | dict(about())


class LogHandler(logging.StreamHandler[TextIO]):
    """Writes lines; one that cannot be written is told without a word of it."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name that logging calls
        """Say that a record was lost. The original prints its arguments as they are."""
        kind = sys.exc_info()[0]
        told = f"a record of {record.name} was lost: {kind.__name__ if kind else 'unknown'}\n"
        try:
            sys.stderr.write(told)
        except (OSError, ValueError):
            return  # Standard error is gone, and with it everybody to tell.


def set_up_logging(
    level: str, *, as_json: bool, stream: TextIO | None = None, redactor: Redactor = REDACTOR
) -> None:
    """Send every record of the process through the redactor to standard error, and crashes with them.

    Our own records from `level` on; those of libraries from warning on, because some of them print
    whole addresses at info. Replaces whatever was set up before. Repeats safely.

    Args:
        level: debug, info, warning or error.
        as_json: Lines of JSON, as production has them, instead of lines for people.
        stream: Where to write; standard error by default.
        redactor: What takes out what no log may hold.
    """
    handler = LogHandler(stream)
    handler.setFormatter(JsonForm(redactor) if as_json else ReadableForm(redactor))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    ours = logging.getLevelNamesMapping()[level.upper()]
    root.setLevel(max(ours, logging.WARNING))
    logging.getLogger(OURS).setLevel(ours)
    for name in SERVERS_OWN:
        found = logging.getLogger(name)
        found.handlers.clear()
        found.propagate = True
    logging.captureWarnings(capture=True)
    sys.excepthook = _on_crash
    sys.unraisablehook = _on_unraisable
    threading.excepthook = _on_thread_crash


def _on_crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    log.critical("the process ends by a mistake of ours", exc_info=(kind, error, trace))


def _on_thread_crash(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not issubclass(args.exc_type, SystemExit):
        found = (args.exc_type, args.exc_value, args.exc_traceback)
        log.critical("a thread ended by a mistake of ours", exc_info=found)


def _on_unraisable(args: sys.UnraisableHookArgs) -> None:
    if args.exc_value is not None:
        found = (args.exc_type, args.exc_value, args.exc_traceback)
        log.error("an error that nobody could be told", exc_info=found)
