"""What merchants and drivers see while Square does something to all its calls."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.tills.market import TILLS, Market, opened_market


def till_facts(
    template: Path, faults: Mapping[str, dict[str, Any]], names: Sequence[str]
) -> list[tuple[str, str, str, str]]:
    """Return for each fault what was seen at once, while it lasted, and after it was over.

    Args:
        template: A migrated SQLite file.
        faults: What is done to calls, by name.
        names: Which of them.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "house.sqlite3"
        shutil.copy(template, file)
        with opened_market(f"sqlite:///{file}", Path(folder)) as market:
            return [(name, *_sold(market, faults[name])) for name in names]


def _sold(market: Market, fault: dict[str, Any]) -> tuple[str, str, str]:
    stall = market.stall()
    market.world.faults.add(**{"provider": "square", "path": "/v2/*", **fault})
    market.world.faults.add(**{"provider": "square", "path": "/oauth2/*", **fault})
    taken = market.taken(stall, 1_000)
    market.sold(stall, 1_000)
    answers = set(market.bring())
    market.work(1, 1)
    market.look()
    manager = market.manager(stall)
    proof, listed = market.proof(stall, taken), manager.get("/v1/merchant/redemptions").status_code
    linking = manager.post(TILLS).status_code
    market.world.faults.heal()
    market.wait(hours=1)
    market.work(1, 60, 3_600, 1, 1)
    after = market.proof(stall, taken)
    clean = "books clean" if market.house.findings() == [] else "books NOT clean"
    state = market.link(stall).state
    seen = f"`{proof['reason'] or proof['state']}`; webhooks {sorted(answers)}, lists {listed}, linking {linking}"
    return "200: the code is taken", seen, f"`{after['state']}`, link `{state}`, {clean}"
