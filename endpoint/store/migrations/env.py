"""Alembic's entry: it runs this file for every command, on the connection of `endpoint.store.revisions`."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
