"""Links that become known later, records that are one thing, aliases and parameters of versions."""

import sqlalchemy as sa
from alembic import op

from provenance_store.sql.models import index_all

revision = "0003"
down_revision = "0002"

_ID = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "late_link",
        _key("from_id"),
        _key("id"),
        sa.Column("to_id", _ID, nullable=False),
        sa.Column("role", sa.SmallInteger(), nullable=False),
        sa.Column("at", _ID, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("from_id", "id", name="pk_late_link"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "same_as",
        _key("record_id"),
        _key("other_id"),
        sa.Column("id", _ID, nullable=False),
        sa.Column("at", _ID, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("record_id", "other_id", name="pk_same_as"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "alias",
        _key("line_id"),
        sa.Column("name", sa.Text(), nullable=False),
        _key("id"),
        sa.Column("version_id", _ID, nullable=True),
        sa.Column("at", _ID, nullable=False),
        sa.PrimaryKeyConstraint("line_id", "name", "id", name="pk_alias"),
        sqlite_with_rowid=False,
    )
    option = sa.text("role > 8")
    op.create_index(
        "ix_link_option", "link", ["to_id"], sqlite_where=option, postgresql_where=option
    )
    op.create_index("ix_alias_name", "alias", ["name"])
    op.create_index("ix_alias_version_id", "alias", ["version_id"])
    op.create_table(
        "parameter",
        _key("record_id"),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("number", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("record_id", "path", name="pk_parameter"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_parameter_name_number", "parameter", ["name", "number"])
    index_all(op.get_bind())


def _key(name: str) -> sa.Column[int]:
    return sa.Column(name, _ID, autoincrement=False, nullable=False)
