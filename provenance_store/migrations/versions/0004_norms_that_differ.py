"""The normal form of a URI is kept only where it is another text: nearly nowhere."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from provenance_store.migrations.rewriting import replace_table

revision = "0004"
down_revision = "0003"

_ID = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")
_DIFFERS = sa.text("uri_norm IS NOT NULL")


def upgrade() -> None:
    connection = op.get_bind()
    norm = sa.func.nullif(sa.column("uri_norm"), sa.column("uri"))
    if connection.dialect.name == "sqlite":
        columns: list[sa.schema.SchemaItem] = [
            sa.Column("record_id", _ID, autoincrement=False, nullable=False),
            sa.Column("uri", sa.Text(), nullable=False),
            sa.Column("size", _ID, nullable=True),
            sa.Column("digest", sa.Text(), nullable=True),
            sa.Column("media_type", sa.Text(), nullable=True),
            sa.Column("uri_norm", sa.Text(), nullable=True),
            sa.PrimaryKeyConstraint("record_id", "uri", name="pk_uri"),
        ]
        replace_table("uri", columns, {"uri_norm": norm})
        given = sa.text("digest IS NOT NULL")
        op.create_index("ix_uri_digest", "uri", ["digest", "uri"], sqlite_where=given)
    else:
        op.drop_index("ix_uri_uri_norm", "uri")
        op.drop_index("ix_uri_digest", "uri")
        of_place: list[Any] = ["digest", sa.text("hashtextextended(uri, 0)"), "record_id"]
        known = sa.text("digest IS NOT NULL")
        op.create_index("ix_uri_digest_hash", "uri", of_place, postgresql_where=known)
        op.alter_column("uri", "uri_norm", nullable=True)
        uri = sa.table("uri", sa.column("uri", sa.Text), sa.column("uri_norm", sa.Text))
        op.execute(uri.update().where(uri.c.uri_norm == uri.c.uri).values(uri_norm=None))
    op.create_index("ix_uri_uri", "uri", ["uri"], postgresql_using="hash")
    op.create_index(
        "ix_uri_uri_norm",
        "uri",
        ["uri_norm"],
        sqlite_where=_DIFFERS,
        postgresql_where=_DIFFERS,
        postgresql_using="hash",
    )
    rare = sa.text("status != 'SUCCEEDED'")
    op.create_index(
        "ix_outcome_status", "outcome", ["status"], sqlite_where=rare, postgresql_where=rare
    )
    info = sa.table("store_info", sa.column("name"), sa.column("value"))
    op.execute(
        info.update().where(info.c.name.in_(("min_reader", "min_writer"))).values(value="0004")
    )
