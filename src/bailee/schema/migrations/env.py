"""What Alembic loads to run migrations: they go over the connection that `bailee.schema` gives."""

from alembic import context

from bailee.schema.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
