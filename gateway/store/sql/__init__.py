"""The relational store: tables, the engine and its transactions, migrations. SQLite embedded, or PostgreSQL."""
