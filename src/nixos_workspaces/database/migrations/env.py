"""Run the migrations over the connection that ``engine.migrate`` gives."""

from alembic import context

from nixos_workspaces.database.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite can undo changes of the schema as well: a killed migration leaves the old one.
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
