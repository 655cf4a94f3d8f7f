"""Runs migrations on the connection that ``services.market_data.database`` passes in."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table_schema="market_data",
    include_schemas=True,
)
with context.begin_transaction():
    context.run_migrations()
