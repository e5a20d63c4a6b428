"""`nerava campaigns dry-run` says what a campaign would have cost."""

from __future__ import annotations

import json
from pathlib import Path

from sqlalchemy import func, select

from nerava.platform.db import Database
from nerava.rewards.model import Campaign, RewardGrant
from tests.commands.conftest import Run


def test_a_campaign_that_ran_costs_in_a_dry_run_what_it_granted(run: Run, tmp_path: Path) -> None:
    at = f"sqlite:///{tmp_path / 'n.sqlite3'}"
    run("replay", "--dataset", "sample", "--campaigns", "3", "--drivers", "20", "--database", at)
    database = Database(at)
    campaign = database.read(
        lambda session: session.scalars(select(Campaign.id).order_by(Campaign.id)).first()
    )
    granted = database.read(
        lambda session: session.scalar(
            select(func.sum(RewardGrant.points)).where(RewardGrant.campaign_id == campaign)
        )
    )
    database.close()
    command = ("campaigns", "dry-run", str(campaign), "--since", "2020-01-01", "--database", at)

    told, result = run(*command), json.loads(run(*command, "--json").stdout)

    assert told.exit_code == 0
    assert "minor units" in told.stdout
    assert (result["points"], result["exhausted_on"]) == (granted, None)
    assert sum(day["points"] for day in result["days"]) == granted
    assert run("campaigns", "dry-run", str(campaign), "--database", f"{at}2").exit_code == 2
