"""Tables of the ledger. A change here needs a migration beside it."""

from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa

metadata: Final = sa.MetaData(naming_convention={
    "pk": "pk_%(table_name)s", "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s", "ix": "ix_%(table_name)s_%(column_0_name)s",
})


class UtcTime(sa.types.TypeDecorator[datetime]):
    """Aware UTC in Python, naive UTC in the database (SQLite keeps no zone)."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        """To naive UTC."""
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        """To aware UTC."""
        return None if value is None else value.replace(tzinfo=UTC)


granules: Final = sa.Table(
    "granules", metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("source", sa.String(32), nullable=False),
    sa.Column("stream", sa.String(32), nullable=False),
    sa.Column("key", sa.String(255), nullable=False),
    sa.Column("version", sa.String(128), nullable=False),
    sa.Column("valid_from", sa.Date, nullable=False),
    sa.Column("valid_to", sa.Date, nullable=False),
    sa.Column("available_at", UtcTime, nullable=False),
    sa.Column("retrieved_at", UtcTime, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("size_bytes", sa.Integer, nullable=False),
    sa.Column("etag", sa.String(255), nullable=False, server_default=""),
    sa.Column("last_modified", sa.String(64), nullable=False, server_default=""),
    sa.Column("quarantine_reason", sa.Text, nullable=False),
    sa.Column("dropped_at", UtcTime, nullable=True),
    sa.Index("ix_granules_source", "source", "stream", "available_at"),
)

products: Final = sa.Table(
    "products", metadata,
    sa.Column("product_id", sa.String(255), primary_key=True),
    sa.Column("day", sa.Date, nullable=False, index=True),
    sa.Column("tier", sa.String(32), nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("as_of", UtcTime, nullable=False),
    sa.Column("newest_granule", sa.Integer, nullable=False, server_default="0"),
    sa.Column("parts", sa.JSON, nullable=False, server_default="{}"),
    sa.Column("path", sa.String(255), nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("content_sha256", sa.String(64), nullable=False, server_default=""),
    sa.Column("settings_sha256", sa.String(64), nullable=False, server_default=""),
    sa.Column("change_rms_mm", sa.Float, nullable=True),
    sa.Index("uq_products_day", "day", "revision", unique=True),
)

basin_values: Final = sa.Table(
    "basin_values", metadata,
    sa.Column("product_id", sa.ForeignKey("products.product_id"), primary_key=True),
    sa.Column("basin", sa.String(255), primary_key=True),
    sa.Column("method", sa.String(32), primary_key=True),
    sa.Column("twsa_mm", sa.Float, nullable=True),
    sa.Column("sigma_mm", sa.Float, nullable=True),
)

ticks: Final = sa.Table(
    "ticks", metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("as_of", UtcTime, nullable=False),
    sa.Column("started_at", UtcTime, nullable=True),
    sa.Column("outcome", sa.String(16), nullable=False),
    sa.Column("detail", sa.JSON, nullable=False),
)

heartbeats: Final = sa.Table(
    "heartbeats", metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("at", UtcTime, nullable=False),
)

memories: Final = sa.Table(
    "memories", metadata,
    sa.Column("owner", sa.String(64), primary_key=True),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
)

alert_states: Final = sa.Table(
    "alert_states", metadata,
    sa.Column("basin", sa.String(255), primary_key=True),
    sa.Column("last_day", sa.Date, nullable=False),
    sa.Column("state", sa.JSON, nullable=False),
)

alert_messages: Final = sa.Table(
    "alert_messages", metadata,
    sa.Column("identifier", sa.String(255), primary_key=True),
    sa.Column("chain", sa.String(255), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("severity", sa.String(16), nullable=False),
    sa.Column("basin", sa.String(255), nullable=False),
    sa.Column("hazard", sa.String(16), nullable=False),
    sa.Column("drill", sa.Boolean, nullable=False),
    sa.Column("sent", UtcTime, nullable=False),
    sa.Column("expires", UtcTime, nullable=False),
    sa.Column("content", sa.JSON, nullable=False),
    sa.Column("document", sa.Text, nullable=False),
    sa.Index("uq_alert_messages_chain", "chain", "number", unique=True),
)

alert_deliveries: Final = sa.Table(
    "alert_deliveries", metadata,
    sa.Column("delivery_id", sa.String(64), primary_key=True),
    sa.Column("identifier", sa.ForeignKey("alert_messages.identifier"), nullable=False),
    sa.Column("recipient", sa.String(64), nullable=False),
    sa.Column("state", sa.String(16), nullable=False, index=True),
    sa.Column("n_attempts", sa.Integer, nullable=False),
    sa.Column("next_attempt_at", UtcTime, nullable=False),
    sa.Column("changed_at", UtcTime, nullable=False),
    sa.Column("remark", sa.Text, nullable=False),
    sa.Index("uq_alert_deliveries_identifier", "identifier", "recipient", unique=True),
)
