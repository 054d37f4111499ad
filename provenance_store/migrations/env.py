"""Runs migrations on the connection, and in the transaction, of `sql.schema.upgrade`."""

from alembic import context

from provenance_store.sql.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transactional_ddl=False,
    render_as_batch=True,
)
context.run_migrations()
