"""How Alembic reaches the database: through the connection that the ledger hands over."""

from alembic import context

from dwlim_ops.state.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata,
                  transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
