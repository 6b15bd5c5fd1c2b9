"""Audit: the generation of the configuration under which a change was made.

Rules: a step that was released is not changed any more; the next change is the next step.
Not here: what the tables are for (gateway.store.sql.tables).
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Entries of before have none."""
    op.add_column("audit_log", sa.Column("generation", sa.Integer(), nullable=True))


def downgrade() -> None:
    """What changed under which configuration is forgotten."""
    op.drop_column("audit_log", "generation")
