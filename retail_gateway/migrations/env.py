"""Runs migrations on the connection that ``retail_gateway.database`` passes in."""

from alembic import context

from retail_gateway.schema import NAMESPACE

context.configure(
    connection=context.config.attributes["connection"], version_table_schema=NAMESPACE
)
with context.begin_transaction():
    context.run_migrations()
