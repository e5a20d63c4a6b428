"""Drivers, charging sessions with their evidence, campaigns, decisions and grants.

The statements are written out, not derived from the model, so that this step stays what it was.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

from typing import Final

from alembic import op
from sqlalchemy import text

revision: Final = "0002"
down_revision: Final = "0001"
branch_labels: Final = None
depends_on: Final = None

POSTGRESQL: Final = [
    """\
CREATE TABLE driver (
    id UUID NOT NULL,
    reference VARCHAR(200) NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_driver PRIMARY KEY (id),
    CONSTRAINT uq_driver_reference UNIQUE (reference)
)
""",
    """\
CREATE TABLE charging_location (
    id UUID NOT NULL,
    source VARCHAR(80) NOT NULL,
    reference VARCHAR(200) NOT NULL,
    name VARCHAR(200) NOT NULL,
    timezone VARCHAR(64) NOT NULL,
    latitude DOUBLE PRECISION,
    longitude DOUBLE PRECISION,
    is_test BOOLEAN NOT NULL,
    CONSTRAINT pk_charging_location PRIMARY KEY (id),
    CONSTRAINT uq_charging_location_source_reference UNIQUE (source, reference),
    CONSTRAINT ck_charging_location_latitude CHECK (latitude BETWEEN -90 AND 90),
    CONSTRAINT ck_charging_location_longitude CHECK (longitude BETWEEN -180 AND 180),
    CONSTRAINT ck_charging_location_coordinates_whole CHECK ((latitude IS NULL) = (longitude IS NULL))
)
""",
    """\
CREATE TABLE evse (
    id UUID NOT NULL,
    location_id UUID NOT NULL,
    reference VARCHAR(200) NOT NULL,
    CONSTRAINT pk_evse PRIMARY KEY (id),
    CONSTRAINT uq_evse_location_id_reference UNIQUE (location_id, reference),
    CONSTRAINT fk_evse_location_id FOREIGN KEY(location_id) REFERENCES charging_location (id)
)
""",
    """\
CREATE TABLE connector (
    id UUID NOT NULL,
    evse_id UUID NOT NULL,
    reference VARCHAR(200) NOT NULL,
    power_w_max INTEGER,
    CONSTRAINT pk_connector PRIMARY KEY (id),
    CONSTRAINT uq_connector_evse_id_reference UNIQUE (evse_id, reference),
    CONSTRAINT ck_connector_power_positive CHECK (power_w_max > 0),
    CONSTRAINT fk_connector_evse_id FOREIGN KEY(evse_id) REFERENCES evse (id)
)
""",
    """\
CREATE TABLE charging_session (
    id UUID NOT NULL,
    source VARCHAR(80) NOT NULL,
    reference VARCHAR(200) NOT NULL,
    driver_id UUID NOT NULL,
    location_id UUID NOT NULL,
    connector_id UUID,
    started_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    energy_wh BIGINT NOT NULL,
    evidence_level SMALLINT NOT NULL,
    state VARCHAR(8) NOT NULL,
    score SMALLINT,
    findings JSONB NOT NULL,
    evaluations INTEGER NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_charging_session PRIMARY KEY (id),
    CONSTRAINT uq_charging_session_source_reference UNIQUE (source, reference),
    CONSTRAINT ck_charging_session_state_known CHECK (state IN ('open', 'closed', 'verified', 'review', 'rejected')),
    CONSTRAINT ck_charging_session_open_has_no_end CHECK ((state = 'open') = (ended_at IS NULL)),
    CONSTRAINT ck_charging_session_ends_after_start CHECK (ended_at >= started_at),
    CONSTRAINT ck_charging_session_energy_not_negative CHECK (energy_wh >= 0),
    CONSTRAINT ck_charging_session_evidence_level_known CHECK (evidence_level BETWEEN 0 AND 5),
    CONSTRAINT ck_charging_session_score_range CHECK (score BETWEEN 0 AND 100),
    CONSTRAINT ck_charging_session_judged_has_score CHECK (state IN ('open', 'closed') OR score IS NOT NULL),
    CONSTRAINT ck_charging_session_evaluations_not_negative CHECK (evaluations >= 0),
    CONSTRAINT fk_charging_session_driver_id FOREIGN KEY(driver_id) REFERENCES driver (id),
    CONSTRAINT fk_charging_session_location_id FOREIGN KEY(location_id) REFERENCES charging_location (id),
    CONSTRAINT fk_charging_session_connector_id FOREIGN KEY(connector_id) REFERENCES connector (id)
)
""",
    "CREATE INDEX ix_charging_session_closed ON charging_session (started_at, id) WHERE state = 'closed'",
    "CREATE INDEX ix_charging_session_connector_id_started_at ON charging_session (connector_id, started_at)",
    "CREATE INDEX ix_charging_session_driver_id_started_at ON charging_session (driver_id, started_at)",
    "CREATE UNIQUE INDEX uq_charging_session_open_driver_id ON charging_session (driver_id) WHERE state = 'open'",
    """\
CREATE TABLE session_evidence (
    id UUID NOT NULL,
    session_id UUID NOT NULL,
    level SMALLINT NOT NULL,
    source VARCHAR(80) NOT NULL,
    reference VARCHAR(200) NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    body JSONB NOT NULL,
    CONSTRAINT pk_session_evidence PRIMARY KEY (id),
    CONSTRAINT uq_session_evidence_session_id_level_source_reference UNIQUE (session_id, level, source, reference),
    CONSTRAINT ck_session_evidence_level_known CHECK (level BETWEEN 0 AND 5),
    CONSTRAINT fk_session_evidence_session_id FOREIGN KEY(session_id) REFERENCES charging_session (id)
)
""",
    """\
CREATE TABLE sponsor (
    id UUID NOT NULL,
    name VARCHAR(120) NOT NULL,
    currency VARCHAR(3) NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_sponsor PRIMARY KEY (id)
)
""",
    """\
CREATE TABLE campaign (
    id UUID NOT NULL,
    sponsor_id UUID NOT NULL,
    name VARCHAR(120) NOT NULL,
    currency VARCHAR(3) NOT NULL,
    state VARCHAR(8) NOT NULL,
    starts_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ends_at TIMESTAMP WITH TIME ZONE NOT NULL,
    priority INTEGER NOT NULL,
    stacking_group VARCHAR(40),
    evidence_min SMALLINT NOT NULL,
    settle_level SMALLINT NOT NULL,
    settle_within_days INTEGER NOT NULL,
    score_min SMALLINT NOT NULL,
    points_expire_after_days INTEGER,
    session_points_max BIGINT,
    driver_day_points_max BIGINT,
    driver_points_max BIGINT,
    fee_bps INTEGER NOT NULL,
    rules JSONB NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_campaign PRIMARY KEY (id),
    CONSTRAINT ck_campaign_state_known CHECK (state IN ('draft', 'active', 'paused', 'ended')),
    CONSTRAINT ck_campaign_ends_after_start CHECK (ends_at > starts_at),
    CONSTRAINT ck_campaign_evidence_min_known CHECK (evidence_min BETWEEN 1 AND 5),
    CONSTRAINT ck_campaign_settle_level_known CHECK (settle_level BETWEEN evidence_min AND 5),
    CONSTRAINT ck_campaign_settle_within_positive CHECK (settle_within_days > 0),
    CONSTRAINT ck_campaign_score_range CHECK (score_min BETWEEN 0 AND 100),
    CONSTRAINT ck_campaign_expiry_positive CHECK (points_expire_after_days > 0),
    CONSTRAINT ck_campaign_session_cap_positive CHECK (session_points_max > 0),
    CONSTRAINT ck_campaign_driver_day_cap_positive CHECK (driver_day_points_max > 0),
    CONSTRAINT ck_campaign_driver_cap_positive CHECK (driver_points_max > 0),
    CONSTRAINT ck_campaign_fee_range CHECK (fee_bps BETWEEN 0 AND 9000),
    CONSTRAINT fk_campaign_sponsor_id FOREIGN KEY(sponsor_id) REFERENCES sponsor (id)
)
""",
    "CREATE INDEX ix_campaign_sponsor_id ON campaign (sponsor_id)",
    """\
CREATE TABLE campaign_funding (
    id UUID NOT NULL,
    campaign_id UUID NOT NULL,
    gross BIGINT NOT NULL,
    net BIGINT NOT NULL,
    fee BIGINT NOT NULL,
    fee_bps INTEGER NOT NULL,
    transaction_key UUID NOT NULL,
    funded_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_campaign_funding PRIMARY KEY (id),
    CONSTRAINT ck_campaign_funding_parts_are_whole CHECK (net > 0 AND fee >= 0 AND net + fee = gross),
    CONSTRAINT ck_campaign_funding_fee_range CHECK (fee_bps BETWEEN 0 AND 9000),
    CONSTRAINT fk_campaign_funding_campaign_id FOREIGN KEY(campaign_id) REFERENCES campaign (id),
    CONSTRAINT uq_campaign_funding_transaction_key UNIQUE (transaction_key)
)
""",
    "CREATE INDEX ix_campaign_funding_campaign_id ON campaign_funding (campaign_id)",
    """\
CREATE TABLE reward_decision (
    session_id UUID NOT NULL,
    evaluation INTEGER NOT NULL,
    decided_at TIMESTAMP WITH TIME ZONE NOT NULL,
    evidence_level SMALLINT NOT NULL,
    verdict VARCHAR(8) NOT NULL,
    score SMALLINT NOT NULL,
    points BIGINT NOT NULL,
    zone_data VARCHAR(16) NOT NULL,
    outcomes JSON NOT NULL,
    CONSTRAINT pk_reward_decision PRIMARY KEY (session_id, evaluation),
    CONSTRAINT ck_reward_decision_evaluation_positive CHECK (evaluation > 0),
    CONSTRAINT ck_reward_decision_points_not_negative CHECK (points >= 0),
    CONSTRAINT fk_reward_decision_session_id FOREIGN KEY(session_id) REFERENCES charging_session (id)
)
""",
    """\
CREATE TABLE reward_grant (
    id UUID NOT NULL,
    campaign_id UUID NOT NULL,
    session_id UUID NOT NULL,
    driver_id UUID NOT NULL,
    local_date VARCHAR(10) NOT NULL,
    state VARCHAR(11) NOT NULL,
    points_granted BIGINT NOT NULL,
    points BIGINT NOT NULL,
    fee_share BIGINT NOT NULL,
    points_expire_at TIMESTAMP WITH TIME ZONE,
    transaction_key UUID NOT NULL,
    settlement_key UUID,
    settlement_reason VARCHAR(60),
    settle_by TIMESTAMP WITH TIME ZONE,
    due_at TIMESTAMP WITH TIME ZONE,
    granted_at TIMESTAMP WITH TIME ZONE NOT NULL,
    settled_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_reward_grant PRIMARY KEY (id),
    CONSTRAINT uq_reward_grant_session_id_campaign_id UNIQUE (session_id, campaign_id),
    CONSTRAINT ck_reward_grant_state_known CHECK (state IN ('provisional', 'settled', 'released', 'clawed_back')),
    CONSTRAINT ck_reward_grant_amounts_positive CHECK (points_granted > 0 AND fee_share >= 0),
    CONSTRAINT ck_reward_grant_points_range CHECK (points BETWEEN 0 AND points_granted),
    CONSTRAINT ck_reward_grant_gone_is_zero CHECK (state NOT IN ('released', 'clawed_back') OR points = 0),
    CONSTRAINT ck_reward_grant_standing_is_positive CHECK (state NOT IN ('provisional', 'settled') OR points > 0),
    CONSTRAINT ck_reward_grant_provisional_is_due CHECK ((state = 'provisional') = (due_at IS NOT NULL)),
    CONSTRAINT ck_reward_grant_settled_has_instant CHECK ((state = 'provisional') = (settled_at IS NULL)),
    CONSTRAINT fk_reward_grant_campaign_id FOREIGN KEY(campaign_id) REFERENCES campaign (id),
    CONSTRAINT fk_reward_grant_session_id FOREIGN KEY(session_id) REFERENCES charging_session (id),
    CONSTRAINT fk_reward_grant_driver_id FOREIGN KEY(driver_id) REFERENCES driver (id),
    CONSTRAINT uq_reward_grant_transaction_key UNIQUE (transaction_key)
)
""",
    "CREATE INDEX ix_reward_grant_driver_id_granted_at ON reward_grant (driver_id, granted_at)",
    "CREATE INDEX ix_reward_grant_due ON reward_grant (due_at, id) WHERE state = 'provisional'",
    """\
CREATE TABLE reward_cap (
    driver_id UUID NOT NULL,
    campaign_id UUID NOT NULL,
    period VARCHAR(10) NOT NULL,
    points_max BIGINT NOT NULL,
    points_used BIGINT NOT NULL,
    CONSTRAINT pk_reward_cap PRIMARY KEY (driver_id, campaign_id, period),
    CONSTRAINT ck_reward_cap_within_limit CHECK (points_used BETWEEN 0 AND points_max),
    CONSTRAINT fk_reward_cap_driver_id FOREIGN KEY(driver_id) REFERENCES driver (id),
    CONSTRAINT fk_reward_cap_campaign_id FOREIGN KEY(campaign_id) REFERENCES campaign (id)
)
""",
]

SQLITE: Final = [
    """\
CREATE TABLE driver (
    id CHAR(36) NOT NULL,
    reference VARCHAR(200) NOT NULL,
    created_at TEXT NOT NULL,
    CONSTRAINT pk_driver PRIMARY KEY (id),
    CONSTRAINT uq_driver_reference UNIQUE (reference)
)
""",
    """\
CREATE TABLE charging_location (
    id CHAR(36) NOT NULL,
    source VARCHAR(80) NOT NULL,
    reference VARCHAR(200) NOT NULL,
    name VARCHAR(200) NOT NULL,
    timezone VARCHAR(64) NOT NULL,
    latitude DOUBLE,
    longitude DOUBLE,
    is_test BOOLEAN NOT NULL,
    CONSTRAINT pk_charging_location PRIMARY KEY (id),
    CONSTRAINT uq_charging_location_source_reference UNIQUE (source, reference),
    CONSTRAINT ck_charging_location_latitude CHECK (latitude BETWEEN -90 AND 90),
    CONSTRAINT ck_charging_location_longitude CHECK (longitude BETWEEN -180 AND 180),
    CONSTRAINT ck_charging_location_coordinates_whole CHECK ((latitude IS NULL) = (longitude IS NULL))
)
""",
    """\
CREATE TABLE evse (
    id CHAR(36) NOT NULL,
    location_id CHAR(36) NOT NULL,
    reference VARCHAR(200) NOT NULL,
    CONSTRAINT pk_evse PRIMARY KEY (id),
    CONSTRAINT uq_evse_location_id_reference UNIQUE (location_id, reference),
    CONSTRAINT fk_evse_location_id FOREIGN KEY(location_id) REFERENCES charging_location (id)
)
""",
    """\
CREATE TABLE connector (
    id CHAR(36) NOT NULL,
    evse_id CHAR(36) NOT NULL,
    reference VARCHAR(200) NOT NULL,
    power_w_max INTEGER,
    CONSTRAINT pk_connector PRIMARY KEY (id),
    CONSTRAINT uq_connector_evse_id_reference UNIQUE (evse_id, reference),
    CONSTRAINT ck_connector_power_positive CHECK (power_w_max > 0),
    CONSTRAINT fk_connector_evse_id FOREIGN KEY(evse_id) REFERENCES evse (id)
)
""",
    """\
CREATE TABLE charging_session (
    id CHAR(36) NOT NULL,
    source VARCHAR(80) NOT NULL,
    reference VARCHAR(200) NOT NULL,
    driver_id CHAR(36) NOT NULL,
    location_id CHAR(36) NOT NULL,
    connector_id CHAR(36),
    started_at TEXT NOT NULL,
    ended_at TEXT,
    energy_wh BIGINT NOT NULL,
    evidence_level SMALLINT NOT NULL,
    state VARCHAR(8) NOT NULL,
    score SMALLINT,
    findings JSON NOT NULL,
    evaluations INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    CONSTRAINT pk_charging_session PRIMARY KEY (id),
    CONSTRAINT uq_charging_session_source_reference UNIQUE (source, reference),
    CONSTRAINT ck_charging_session_state_known CHECK (state IN ('open', 'closed', 'verified', 'review', 'rejected')),
    CONSTRAINT ck_charging_session_open_has_no_end CHECK ((state = 'open') = (ended_at IS NULL)),
    CONSTRAINT ck_charging_session_ends_after_start CHECK (ended_at >= started_at),
    CONSTRAINT ck_charging_session_energy_not_negative CHECK (energy_wh >= 0),
    CONSTRAINT ck_charging_session_evidence_level_known CHECK (evidence_level BETWEEN 0 AND 5),
    CONSTRAINT ck_charging_session_score_range CHECK (score BETWEEN 0 AND 100),
    CONSTRAINT ck_charging_session_judged_has_score CHECK (state IN ('open', 'closed') OR score IS NOT NULL),
    CONSTRAINT ck_charging_session_evaluations_not_negative CHECK (evaluations >= 0),
    CONSTRAINT fk_charging_session_driver_id FOREIGN KEY(driver_id) REFERENCES driver (id),
    CONSTRAINT fk_charging_session_location_id FOREIGN KEY(location_id) REFERENCES charging_location (id),
    CONSTRAINT fk_charging_session_connector_id FOREIGN KEY(connector_id) REFERENCES connector (id)
)
""",
    "CREATE INDEX ix_charging_session_closed ON charging_session (started_at, id) WHERE state = 'closed'",
    "CREATE INDEX ix_charging_session_connector_id_started_at ON charging_session (connector_id, started_at)",
    "CREATE INDEX ix_charging_session_driver_id_started_at ON charging_session (driver_id, started_at)",
    "CREATE UNIQUE INDEX uq_charging_session_open_driver_id ON charging_session (driver_id) WHERE state = 'open'",
    """\
CREATE TABLE session_evidence (
    id CHAR(36) NOT NULL,
    session_id CHAR(36) NOT NULL,
    level SMALLINT NOT NULL,
    source VARCHAR(80) NOT NULL,
    reference VARCHAR(200) NOT NULL,
    at TEXT NOT NULL,
    received_at TEXT NOT NULL,
    body JSON NOT NULL,
    CONSTRAINT pk_session_evidence PRIMARY KEY (id),
    CONSTRAINT uq_session_evidence_session_id_level_source_reference UNIQUE (session_id, level, source, reference),
    CONSTRAINT ck_session_evidence_level_known CHECK (level BETWEEN 0 AND 5),
    CONSTRAINT fk_session_evidence_session_id FOREIGN KEY(session_id) REFERENCES charging_session (id)
)
""",
    """\
CREATE TABLE sponsor (
    id CHAR(36) NOT NULL,
    name VARCHAR(120) NOT NULL,
    currency VARCHAR(3) NOT NULL,
    created_at TEXT NOT NULL,
    CONSTRAINT pk_sponsor PRIMARY KEY (id)
)
""",
    """\
CREATE TABLE campaign (
    id CHAR(36) NOT NULL,
    sponsor_id CHAR(36) NOT NULL,
    name VARCHAR(120) NOT NULL,
    currency VARCHAR(3) NOT NULL,
    state VARCHAR(8) NOT NULL,
    starts_at TEXT NOT NULL,
    ends_at TEXT NOT NULL,
    priority INTEGER NOT NULL,
    stacking_group VARCHAR(40),
    evidence_min SMALLINT NOT NULL,
    settle_level SMALLINT NOT NULL,
    settle_within_days INTEGER NOT NULL,
    score_min SMALLINT NOT NULL,
    points_expire_after_days INTEGER,
    session_points_max BIGINT,
    driver_day_points_max BIGINT,
    driver_points_max BIGINT,
    fee_bps INTEGER NOT NULL,
    rules JSON NOT NULL,
    created_at TEXT NOT NULL,
    CONSTRAINT pk_campaign PRIMARY KEY (id),
    CONSTRAINT ck_campaign_state_known CHECK (state IN ('draft', 'active', 'paused', 'ended')),
    CONSTRAINT ck_campaign_ends_after_start CHECK (ends_at > starts_at),
    CONSTRAINT ck_campaign_evidence_min_known CHECK (evidence_min BETWEEN 1 AND 5),
    CONSTRAINT ck_campaign_settle_level_known CHECK (settle_level BETWEEN evidence_min AND 5),
    CONSTRAINT ck_campaign_settle_within_positive CHECK (settle_within_days > 0),
    CONSTRAINT ck_campaign_score_range CHECK (score_min BETWEEN 0 AND 100),
    CONSTRAINT ck_campaign_expiry_positive CHECK (points_expire_after_days > 0),
    CONSTRAINT ck_campaign_session_cap_positive CHECK (session_points_max > 0),
    CONSTRAINT ck_campaign_driver_day_cap_positive CHECK (driver_day_points_max > 0),
    CONSTRAINT ck_campaign_driver_cap_positive CHECK (driver_points_max > 0),
    CONSTRAINT ck_campaign_fee_range CHECK (fee_bps BETWEEN 0 AND 9000),
    CONSTRAINT fk_campaign_sponsor_id FOREIGN KEY(sponsor_id) REFERENCES sponsor (id)
)
""",
    "CREATE INDEX ix_campaign_sponsor_id ON campaign (sponsor_id)",
    """\
CREATE TABLE campaign_funding (
    id CHAR(36) NOT NULL,
    campaign_id CHAR(36) NOT NULL,
    gross BIGINT NOT NULL,
    net BIGINT NOT NULL,
    fee BIGINT NOT NULL,
    fee_bps INTEGER NOT NULL,
    transaction_key CHAR(36) NOT NULL,
    funded_at TEXT NOT NULL,
    CONSTRAINT pk_campaign_funding PRIMARY KEY (id),
    CONSTRAINT ck_campaign_funding_parts_are_whole CHECK (net > 0 AND fee >= 0 AND net + fee = gross),
    CONSTRAINT ck_campaign_funding_fee_range CHECK (fee_bps BETWEEN 0 AND 9000),
    CONSTRAINT fk_campaign_funding_campaign_id FOREIGN KEY(campaign_id) REFERENCES campaign (id),
    CONSTRAINT uq_campaign_funding_transaction_key UNIQUE (transaction_key)
)
""",
    "CREATE INDEX ix_campaign_funding_campaign_id ON campaign_funding (campaign_id)",
    """\
CREATE TABLE reward_decision (
    session_id CHAR(36) NOT NULL,
    evaluation INTEGER NOT NULL,
    decided_at TEXT NOT NULL,
    evidence_level SMALLINT NOT NULL,
    verdict VARCHAR(8) NOT NULL,
    score SMALLINT NOT NULL,
    points BIGINT NOT NULL,
    zone_data VARCHAR(16) NOT NULL,
    outcomes JSON NOT NULL,
    CONSTRAINT pk_reward_decision PRIMARY KEY (session_id, evaluation),
    CONSTRAINT ck_reward_decision_evaluation_positive CHECK (evaluation > 0),
    CONSTRAINT ck_reward_decision_points_not_negative CHECK (points >= 0),
    CONSTRAINT fk_reward_decision_session_id FOREIGN KEY(session_id) REFERENCES charging_session (id)
)
""",
    """\
CREATE TABLE reward_grant (
    id CHAR(36) NOT NULL,
    campaign_id CHAR(36) NOT NULL,
    session_id CHAR(36) NOT NULL,
    driver_id CHAR(36) NOT NULL,
    local_date VARCHAR(10) NOT NULL,
    state VARCHAR(11) NOT NULL,
    points_granted BIGINT NOT NULL,
    points BIGINT NOT NULL,
    fee_share BIGINT NOT NULL,
    points_expire_at TEXT,
    transaction_key CHAR(36) NOT NULL,
    settlement_key CHAR(36),
    settlement_reason VARCHAR(60),
    settle_by TEXT,
    due_at TEXT,
    granted_at TEXT NOT NULL,
    settled_at TEXT,
    CONSTRAINT pk_reward_grant PRIMARY KEY (id),
    CONSTRAINT uq_reward_grant_session_id_campaign_id UNIQUE (session_id, campaign_id),
    CONSTRAINT ck_reward_grant_state_known CHECK (state IN ('provisional', 'settled', 'released', 'clawed_back')),
    CONSTRAINT ck_reward_grant_amounts_positive CHECK (points_granted > 0 AND fee_share >= 0),
    CONSTRAINT ck_reward_grant_points_range CHECK (points BETWEEN 0 AND points_granted),
    CONSTRAINT ck_reward_grant_gone_is_zero CHECK (state NOT IN ('released', 'clawed_back') OR points = 0),
    CONSTRAINT ck_reward_grant_standing_is_positive CHECK (state NOT IN ('provisional', 'settled') OR points > 0),
    CONSTRAINT ck_reward_grant_provisional_is_due CHECK ((state = 'provisional') = (due_at IS NOT NULL)),
    CONSTRAINT ck_reward_grant_settled_has_instant CHECK ((state = 'provisional') = (settled_at IS NULL)),
    CONSTRAINT fk_reward_grant_campaign_id FOREIGN KEY(campaign_id) REFERENCES campaign (id),
    CONSTRAINT fk_reward_grant_session_id FOREIGN KEY(session_id) REFERENCES charging_session (id),
    CONSTRAINT fk_reward_grant_driver_id FOREIGN KEY(driver_id) REFERENCES driver (id),
    CONSTRAINT uq_reward_grant_transaction_key UNIQUE (transaction_key)
)
""",
    "CREATE INDEX ix_reward_grant_driver_id_granted_at ON reward_grant (driver_id, granted_at)",
    "CREATE INDEX ix_reward_grant_due ON reward_grant (due_at, id) WHERE state = 'provisional'",
    """\
CREATE TABLE reward_cap (
    driver_id CHAR(36) NOT NULL,
    campaign_id CHAR(36) NOT NULL,
    period VARCHAR(10) NOT NULL,
    points_max BIGINT NOT NULL,
    points_used BIGINT NOT NULL,
    CONSTRAINT pk_reward_cap PRIMARY KEY (driver_id, campaign_id, period),
    CONSTRAINT ck_reward_cap_within_limit CHECK (points_used BETWEEN 0 AND points_max),
    CONSTRAINT fk_reward_cap_driver_id FOREIGN KEY(driver_id) REFERENCES driver (id),
    CONSTRAINT fk_reward_cap_campaign_id FOREIGN KEY(campaign_id) REFERENCES campaign (id)
)
""",
]

TABLES: Final = (
    "reward_cap",
    "reward_grant",
    "reward_decision",
    "campaign_funding",
    "campaign",
    "sponsor",
    "session_evidence",
    "charging_session",
    "connector",
    "evse",
    "charging_location",
    "driver",
)


def upgrade() -> None:
    """Create the tables."""
    connection = op.get_bind()
    for statement in POSTGRESQL if connection.dialect.name == "postgresql" else SQLITE:
        connection.exec_driver_sql(statement)


def downgrade() -> None:
    """Drop the tables; sessions, campaigns and grants are lost, what they moved stays in the ledger."""
    for table in TABLES:
        op.get_bind().execute(text(f"DROP TABLE {table}"))
