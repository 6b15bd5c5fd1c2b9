"""Alembic's entry: run the steps on the connection it was given, in one transaction.

Rules: the connection comes in `config.attributes`; there is no URL and no ini file here.
Not here: the lock and the decision whether anything is to be done (migrate).
"""

from alembic import context

from gateway.store.sql.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
