"""Alembic's entry: it runs this file for every command, on the connection that `endpoint.store.migrate` opened."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
