"""Runs migrations on the connection that ``services.surveillance.database`` passes in."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table_schema="surveillance",
    include_schemas=True,
)
with context.begin_transaction():
    context.run_migrations()
