"""The records of a run are found in their order: PostgreSQL's index of runs ends in the id.

SQLite's does so by itself. `online_indexes` has made the index already where a store is in use.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.create_index(
            "ix_record_run_id_id",
            "record",
            ["run_id", "id"],
            if_not_exists=True,
            postgresql_where=sa.text("run_id IS NOT NULL"),
        )
        op.drop_index("ix_record_run_id", "record", if_exists=True)
