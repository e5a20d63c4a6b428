"""The places where a rule is broken on purpose, and why; one that is no longer needed is an error."""

from __future__ import annotations

from typing import Final

EXCEPTIONS: Final[dict[tuple[str, str], str]] = {
    ("unit-of-work", "src/nerava/ledger/decide.py"): "`shelf` is lots in memory that one chain may take back",
    ("no-float", "src/nerava/ledger/writer.py"): "seconds a caller waits, not money",
    ("no-float", "src/nerava/ledger/hashing.py"): "names the type in order to refuse it",
    ("no-float", "src/nerava/ledger/service.py"): "milliseconds become seconds a caller waits, not money",
    ("no-float", "src/nerava/merchants/model.py"): "coordinates of a place, not money",
    ("no-float", "src/nerava/merchants/service.py"): "coordinates of a place, not money",
    ("no-float", "src/nerava/rewards/lift.py"): "averages and intervals, not money",
    ("no-float", "src/nerava/rewards/running_offers.py"): "degrees on the globe, not money",
    ("no-float", "src/nerava/rewards/rules/zone.py"): "degrees on the globe, not money",
    ("function-length", "src/nerava/ledger/decide.py"): "`_record` lists a row's 26 parts twice, one a line",
    ("sql", "src/nerava/ledger/triggers.py"): "statements of the schema, from our own table and column names",
    ("sql", "src/nerava/ledger/audit.py"): "parts shared by several checks; no value enters them",
    ("sql", "src/nerava/ledger/switch_store.py"): "statements of the schema, from our own table names",
    ("sql", "src/nerava/privacy/triggers.py"): "statements of the schema, from our own table names",
    ("sql", "src/nerava/payouts/triggers.py"): "statements of the schema, from our own table names",
    ("sql", "src/nerava/audit/triggers.py"): "statements of the schema, from our own table and column names",
    ("sql", "src/nerava/platform/db/bulk.py"): "names of our own tables and columns; values are bound",
    ("sql", "src/nerava/platform/db/engine.py"): "PRAGMA takes no parameters; the values are constants there",
}
"""By check and file. A reason is a sentence that a reviewer can agree with or not."""
