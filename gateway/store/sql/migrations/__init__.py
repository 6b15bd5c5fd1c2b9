"""What alembic runs; see gateway.store.sql.migrate."""
