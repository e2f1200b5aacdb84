"""Streams, validators, retention; parts of fingerprints; basin values; heartbeats; memories."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply. Tables are copied: SQLite cannot drop a constraint that has no name."""
    _set_aside("granules")
    op.create_table(
        "granules",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("source", sa.String(32), nullable=False),
        sa.Column("stream", sa.String(32), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("version", sa.String(128), nullable=False),
        sa.Column("valid_from", sa.Date, nullable=False),
        sa.Column("valid_to", sa.Date, nullable=False),
        sa.Column("available_at", sa.DateTime, nullable=False),
        sa.Column("retrieved_at", sa.DateTime, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.Integer, nullable=False),
        sa.Column("etag", sa.String(255), nullable=False, server_default=""),
        sa.Column("last_modified", sa.String(64), nullable=False, server_default=""),
        sa.Column("quarantine_reason", sa.Text, nullable=False),
        sa.Column("dropped_at", sa.DateTime, nullable=True),
    )
    _copy("granules", "id, source, stream, key, version, valid_from, valid_to, available_at, "
                      "retrieved_at, sha256, size_bytes, quarantine_reason")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("SELECT setval(pg_get_serial_sequence('granules', 'id'), max(id)) FROM granules")
    op.create_index("ix_granules_source", "granules", ["source", "stream", "available_at"])
    _set_aside("products")
    op.create_table(
        "products",
        sa.Column("product_id", sa.String(255), primary_key=True),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("tier", sa.String(32), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("as_of", sa.DateTime, nullable=False),
        sa.Column("newest_granule", sa.Integer, nullable=False, server_default="0"),
        sa.Column("parts", sa.JSON, nullable=False, server_default="{}"),
        sa.Column("path", sa.String(255), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("content_sha256", sa.String(64), nullable=False, server_default=""),
        sa.Column("settings_sha256", sa.String(64), nullable=False, server_default=""),
        sa.Column("change_rms_mm", sa.Float, nullable=True),
    )
    _copy("products", "product_id, day, tier, revision, as_of, path, sha256")
    op.create_index("ix_products_day", "products", ["day"])
    op.create_index("uq_products_day", "products", ["day", "revision"], unique=True)
    op.create_table(
        "basin_values",
        sa.Column("product_id", sa.String(255), sa.ForeignKey("products.product_id"),
                  primary_key=True),
        sa.Column("basin", sa.String(255), primary_key=True),
        sa.Column("method", sa.String(32), primary_key=True),
        sa.Column("twsa_mm", sa.Float, nullable=True),
        sa.Column("sigma_mm", sa.Float, nullable=True),
    )
    op.add_column("ticks", sa.Column("started_at", sa.DateTime, nullable=True))
    op.create_table(
        "heartbeats",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "memories",
        sa.Column("owner", sa.String(64), primary_key=True),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("text", sa.Text, nullable=False),
    )


def _set_aside(table: str) -> None:
    op.execute(f"CREATE TABLE {table}_0001 AS SELECT * FROM {table}")  # noqa: S608
    op.drop_table(table)


def _copy(table: str, columns: str) -> None:
    op.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {table}_0001")  # noqa: S608
    op.drop_table(f"{table}_0001")
