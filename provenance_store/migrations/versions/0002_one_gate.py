"""Normal forms of URIs, audiences of runs kept with records, special numbers, a key for marks.

Everything that later changes would otherwise rewrite large tables for is done here at once. Tags
that were kept as the text of a NumPy scalar get their number as a newer value, and times that
were kept as text become numbers.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from provenance_store.migrations.rewriting import replace_table
from provenance_store.sql.dialects import URI_NORM, add_functions
from provenance_store.sql.repair import repair_all
from provenance_store.validation.uris import normal_uri

revision = "0002"
down_revision = "0001"

_ID = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")
FETCH = 10_000


def upgrade() -> None:
    connection = op.get_bind()
    lite = connection.dialect.name == "sqlite"
    op.create_table(
        "store_info",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_store_info"),
        sqlite_with_rowid=False,
    )
    info = sa.table("store_info", sa.column("name"), sa.column("value"))
    limits = (("min_reader", "0002"), ("min_writer", "0002"))
    op.bulk_insert(info, [{"name": name, "value": value} for name, value in limits])
    op.add_column("origin", sa.Column("vouched", sa.SmallInteger(), nullable=True))
    origin = sa.table("origin", sa.column("who", sa.Text), sa.column("vouched", sa.SmallInteger))
    seen = origin.c.who.like("urn:globus:auth:identity:%")
    op.execute(origin.update().where(seen).values(vouched=1))
    op.add_column("record", sa.Column("run_audience", sa.Text(), nullable=True))
    _tell_records()
    if lite:
        driver: Any = connection.connection.driver_connection
        add_functions(driver)
        _rewrite_on_sqlite()
    else:
        _change_on_postgresql(connection)
    repair_all(connection)


def _tell_records() -> None:
    run = sa.table("run", sa.column("run_id", sa.Text), sa.column("audience", sa.Text))
    record = sa.table("record", sa.column("run_id", sa.Text), sa.column("run_audience", sa.Text))
    audience = sa.select(run.c.audience).where(run.c.run_id == record.c.run_id)
    known = record.c.run_id.in_(sa.select(run.c.run_id).where(run.c.audience.is_not(None)))
    op.execute(record.update().where(known).values(run_audience=audience.scalar_subquery()))


def _rewrite_on_sqlite() -> None:
    """SQLite changes no key in place: each table is written anew under another name."""
    replace_table(
        "uri",
        [
            sa.Column("record_id", _ID, autoincrement=False, nullable=False),
            sa.Column("uri", sa.Text(), nullable=False),
            sa.Column("size", _ID, nullable=True),
            sa.Column("digest", sa.Text(), nullable=True),
            sa.Column("media_type", sa.Text(), nullable=True),
            sa.Column("uri_norm", sa.Text(), nullable=False),
            sa.PrimaryKeyConstraint("record_id", "uri", name="pk_uri"),
        ],
        {"uri_norm": sa.Function(URI_NORM, sa.column("uri"))},
    )
    op.create_index("ix_uri_digest", "uri", ["digest"], sqlite_where=sa.text("digest IS NOT NULL"))
    op.create_index("ix_uri_uri_norm", "uri", ["uri_norm"])
    replace_table(
        "metric",
        [
            sa.Column("record_id", _ID, autoincrement=False, nullable=False),
            sa.Column("series", sa.SmallInteger(), autoincrement=False, nullable=False),
            sa.Column("name", sa.Text(), nullable=False),
            sa.Column("step", sa.Double(), nullable=False),
            sa.Column("value", sa.Double(), nullable=True),
            sa.Column("special", sa.SmallInteger(), nullable=True),
            sa.PrimaryKeyConstraint("record_id", "series", "name", "step", name="pk_metric"),
        ],
        {"special": sa.null()},
    )
    replace_table(
        "mark",
        [
            sa.Column("id", _ID, nullable=False),
            sa.Column("record_id", _ID, nullable=False),
            sa.Column("mark", sa.SmallInteger(), nullable=False),
            sa.Column("at", _ID, nullable=False),
            sa.Column("note", sa.Text(), nullable=False),
            sa.Column("cause_id", _ID, nullable=True),
            sa.PrimaryKeyConstraint("record_id", "id", name="pk_mark"),
        ],
        {},
    )
    replace_table("run", _run_columns(), {"heard_at": _heard()}, with_rowid=True)
    op.create_index("ix_run_flow_id", "run", ["flow_id"])
    op.create_index("ix_run_start_time_run_id", "run", ["start_time", "run_id"])


def _run_columns() -> list[sa.schema.SchemaItem]:
    texts = ("flow_id", "flow_title", "label", "status", "run_owner")
    return [
        sa.Column("run_id", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=True) for name in texts),
        sa.Column("start_time", _ID, nullable=False),
        sa.Column("completion_time", _ID, nullable=True),
        sa.Column("audience", sa.Text(), nullable=True),
        sa.Column("heard_at", _ID, nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_run"),
    ]


def _heard() -> sa.ColumnElement[int]:
    event = sa.table("run_event", sa.column("run_id"), sa.column("at"))
    said = sa.select(sa.func.max(event.c.at)).where(event.c.run_id == sa.text("run.run_id"))
    return sa.func.coalesce(said.scalar_subquery(), 0)


def _change_on_postgresql(connection: sa.Connection) -> None:
    op.add_column("uri", sa.Column("uri_norm", sa.Text(), nullable=True))
    _fill_norms(connection)
    op.alter_column("uri", "uri_norm", nullable=False)
    op.drop_index("ix_uri_uri", "uri")
    op.create_index("ix_uri_uri_norm", "uri", ["uri_norm"], postgresql_using="hash")
    op.alter_column("metric", "step", type_=sa.Double())
    op.add_column("metric", sa.Column("special", sa.SmallInteger(), nullable=True))
    op.drop_index("ix_mark_record_id", "mark")
    op.drop_constraint("pk_mark", "mark", type_="primary")
    op.create_primary_key("pk_mark", "mark", ["record_id", "id"])
    op.add_column("run", sa.Column("heard_at", _ID, nullable=True))
    run = sa.table("run", sa.column("run_id"), sa.column("heard_at"))
    op.execute(run.update().values(heard_at=_heard()))
    op.alter_column("run", "heard_at", nullable=False)


def _fill_norms(connection: sa.Connection) -> None:
    """Most URIs are in their normal form already; the others are made so here, in pieces."""
    uri = sa.table("uri", sa.column("uri", sa.Text), sa.column("uri_norm", sa.Text))
    connection.execute(uri.update().values(uri_norm=uri.c.uri))
    found = connection.execute(
        sa.select(uri.c.uri).distinct(), execution_options={"yield_per": FETCH}
    )
    changed = [
        {"given": text, "norm": norm} for (text,) in found if (norm := normal_uri(text)) != text
    ]
    if changed:
        this_one = uri.c.uri == sa.bindparam("given")
        connection.execute(
            uri.update().where(this_one).values(uri_norm=sa.bindparam("norm")), changed
        )
