"""Runs migrations on the connection that ``settlement.database`` passes in."""

from alembic import context

from settlement.schema import NAMESPACE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table_schema=NAMESPACE,
    include_schemas=True,
)
with context.begin_transaction():
    context.run_migrations()
