"""Alerts: what the state machine remembers, messages, deliveries."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "alert_states",
        sa.Column("basin", sa.String(255), primary_key=True),
        sa.Column("last_day", sa.Date, nullable=False),
        sa.Column("state", sa.JSON, nullable=False),
    )
    op.create_table(
        "alert_messages",
        sa.Column("identifier", sa.String(255), primary_key=True),
        sa.Column("chain", sa.String(255), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("basin", sa.String(255), nullable=False),
        sa.Column("hazard", sa.String(16), nullable=False),
        sa.Column("drill", sa.Boolean, nullable=False),
        sa.Column("sent", sa.DateTime, nullable=False),
        sa.Column("expires", sa.DateTime, nullable=False),
        sa.Column("content", sa.JSON, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_index("uq_alert_messages_chain", "alert_messages", ["chain", "number"], unique=True)
    op.create_table(
        "alert_deliveries",
        sa.Column("delivery_id", sa.String(64), primary_key=True),
        sa.Column("identifier", sa.String(255), sa.ForeignKey("alert_messages.identifier"),
                  nullable=False),
        sa.Column("recipient", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("n_attempts", sa.Integer, nullable=False),
        sa.Column("next_attempt_at", sa.DateTime, nullable=False),
        sa.Column("changed_at", sa.DateTime, nullable=False),
        sa.Column("remark", sa.Text, nullable=False),
    )
    op.create_index("ix_alert_deliveries_state", "alert_deliveries", ["state"])
    op.create_index("uq_alert_deliveries_identifier", "alert_deliveries",
                    ["identifier", "recipient"], unique=True)
