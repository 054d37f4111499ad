"""The schema, one definition for SQLite and PostgreSQL. Columns are in the order of `rows`.

There are no foreign keys: rows of one batch arrive in one transaction already checked, a slice
holds stubs, and a key check per link would double the time of a bulk load. `Store.check` looks
for what foreign keys would have refused. Link, URI, tag and metric rows live in their primary
key (WITHOUT ROWID), which is the smallest file and the fastest load; ids keep rows of one
origin together, so the tables can be distributed by the high half of the id.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
    literal_column,
)
from sqlalchemy.dialects import sqlite

__all__ = [
    "KEYS",
    "LOCAL",
    "METADATA",
    "OF_DECISIONS",
    "POSTGRESQL_INDEXES",
    "SCHEMA_VERSION",
    "TABLE",
    "Id",
    "fit_postgresql",
]

SCHEMA_VERSION = "0005"
"""The newest Alembic revision; a new store is created as if migrated to it."""

METADATA = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

Id = BigInteger().with_variant(sqlite.INTEGER(), "sqlite")
"""64 bits; on SQLite spelled INTEGER so that a primary key is the row id."""


def _key(name: str, kind: object = Id) -> Column[object]:
    return Column(name, kind, primary_key=True, autoincrement=False)  # type: ignore[arg-type]


def _required(name: str, kind: object) -> Column[object]:
    return Column(name, kind, nullable=False)  # type: ignore[arg-type]


origin = Table(
    "origin",
    METADATA,
    Column("no", Integer, primary_key=True, autoincrement=True),
    _required("uuid", Text),
    _required("who", Text),
    _required("host", Text),
    _required("process", Id),
    _required("software", Text),
    _required("started_at", Id),
    Column("vouched", SmallInteger),
    UniqueConstraint("uuid"),
)

environment = Table("environment", METADATA, _key("digest", Text), _required("document", Text))

audience = Table("audience", METADATA, _key("digest", Text), _required("owner", Text))

audience_member = Table(
    "audience_member",
    METADATA,
    _key("digest", Text),
    _key("principal", Text),
    _required("level", SmallInteger),
    Index(None, "principal", "digest"),
    sqlite_with_rowid=False,
)

record = Table(
    "record",
    METADATA,
    _key("id"),
    _required("kind", SmallInteger),
    _required("name", Text),
    _required("created_at", Id),
    _required("live", SmallInteger),
    Column("run_id", Text),
    Column("environment", Text),
    Column("audience", Text),
    Column("run_audience", Text),
    Index(None, "created_at", "id"),
)
Index("ix_record_name", record.c.name)
# Who asks for the last records of a run must not read all of it. SQLite's index ends in the id
# anyway.
Index("ix_record_run_id", record.c.run_id, sqlite_where=record.c.run_id.is_not(None)).ddl_if(
    dialect="sqlite"
)
Index("ix_record_run_id_id", record.c.run_id, record.c.id).ddl_if(dialect="postgresql")

step = Table(
    "step",
    METADATA,
    _key("id"),
    _required("type", Text),
    Column("action_url", Text),
    Column("action_id", Text),
    Column("run_as", Text),
    Column("definition_digest", Text),
    Column("ordinal", Integer),
    Column("started_at", Id),
)
Index(
    "ix_step_action_id",
    step.c.action_id,
    sqlite_where=step.c.action_id.is_not(None),
)

outcome = Table(
    "outcome", METADATA, _key("id"), _required("status", Text), Column("completed_at", Id)
)

DID_NOT_SUCCEED = outcome.c.status != literal_column("'SUCCEEDED'")
"""The ends of steps that are asked for, which are few among very many."""
Index("ix_outcome_status", outcome.c.status, sqlite_where=DID_NOT_SUCCEED)

version = Table(
    "version",
    METADATA,
    _key("id"),
    _required("line_id", Id),
    Column("parent_id", Id),
    _required("depth", Integer),
    Index(None, "line_id", "depth", "id"),
    Index(None, "parent_id"),
)

stub = Table("stub", METADATA, _key("id"), _required("kind", SmallInteger), Column("name", Text))
"""Nodes that a slice left out; where the record is here too, the record counts."""

# Both directions are answered from an index alone: SQLite's secondary index ends with the key.
link = Table(
    "link",
    METADATA,
    _key("to_id"),
    _key("from_id"),
    _key("role", SmallInteger),
    Index(None, "from_id"),
    sqlite_with_rowid=False,
)

OF_DECISIONS = link.c.role > literal_column("8")
"""The links of decisions to their options, which are few among very many."""
Index("ix_link_option", link.c.to_id, sqlite_where=OF_DECISIONS)

late_link = Table(
    "late_link",
    METADATA,
    _key("from_id"),
    _key("id"),
    _required("to_id", Id),
    _required("role", SmallInteger),
    _required("at", Id),
    _required("by", Text),
    _required("rule", Text),
    sqlite_with_rowid=False,
)
"""Which links became known after a step had ended, who added them and why."""

same_as = Table(
    "same_as",
    METADATA,
    _key("record_id"),
    _key("other_id"),
    _required("id", Id),
    _required("at", Id),
    _required("digest", Text),
    sqlite_with_rowid=False,
)
"""Records that are one thing; each pair is a row in both directions."""

alias = Table(
    "alias",
    METADATA,
    _key("line_id"),
    _key("name", Text),
    _key("id"),
    Column("version_id", Id),
    _required("at", Id),
    Index(None, "name"),
    Index(None, "version_id"),
    sqlite_with_rowid=False,
)
"""Names of model versions over time; the newest row of a line and a name counts."""

uri = Table(
    "uri",
    METADATA,
    _key("record_id"),
    _key("uri", Text),
    Column("size", Id),
    Column("digest", Text),
    Column("media_type", Text),
    Column("uri_norm", Text),
    sqlite_with_rowid=False,
)
# PostgreSQL's B-trees hold no values over 2,700 bytes, and a URI may be longer: there the key is
# a unique index on a hash of it, which is also smaller.
uri.primary_key.ddl_if(dialect="sqlite")
POSTGRESQL_INDEXES = frozenset(
    {"ix_record_run_id_id", "ix_uri_record_id_hash", "ix_uri_digest_hash"}
)
"""Indexes that SQLite stores do not have."""
Index(
    "ix_uri_record_id_hash",
    uri.c.record_id,
    func.hashtextextended(uri.c.uri, literal_column("0")),
    unique=True,
).ddl_if(dialect="postgresql")
Index("ix_uri_uri", uri.c.uri)
Index("ix_uri_uri_norm", uri.c.uri_norm, sqlite_where=uri.c.uri_norm.is_not(None))
# With the place: equal files lie at many places, such as a settings file in the folder of each job.
Index(
    "ix_uri_digest",
    uri.c.digest,
    uri.c.uri,
    sqlite_where=uri.c.digest.is_not(None),
).ddl_if(dialect="sqlite")
Index(
    "ix_uri_digest_hash",
    uri.c.digest,
    func.hashtextextended(uri.c.uri, literal_column("0")),
    uri.c.record_id,
).ddl_if(dialect="postgresql")

file_check = Table(
    "file_check",
    METADATA,
    _key("record_id"),
    _key("id"),
    _required("uri", Text),
    _required("at", Id),
    _required("size", Id),
    _required("digest", Text),
    Index(None, "digest"),
    sqlite_with_rowid=False,
)
"""What the file at a URI of a record was found to be, after the record was made."""

tag = Table(
    "tag",
    METADATA,
    _key("record_id"),
    _key("name", Text),
    _key("id"),
    _required("type", SmallInteger),
    _required("text", Text),
    Column("number", Double),
    _required("set_at", Id),
    Index(None, "name", "number"),
    sqlite_with_rowid=False,
)

metric = Table(
    "metric",
    METADATA,
    _key("record_id"),
    _key("series", SmallInteger),
    _key("name", Text),
    _key("step", Double),
    Column("value", Double),
    Column("special", SmallInteger),
    sqlite_with_rowid=False,
)

payload = Table(
    "payload",
    METADATA,
    _key("record_id"),
    _key("name", Text),
    _required("document", Text),
)

parameter = Table(
    "parameter",
    METADATA,
    _key("record_id"),
    _key("path", Text),
    _required("name", Text),
    _required("text", Text),
    Column("number", Double),
    Index(None, "name", "number"),
    sqlite_with_rowid=False,
)
"""What model versions are searched by: see `models.Parameters`, which makes it of documents.

`path` leads to the value in its document (``optimizer.lr``), `name` is the end of it."""

mark = Table(
    "mark",
    METADATA,
    _required("id", Id),
    _required("record_id", Id),
    _required("mark", SmallInteger),
    _required("at", Id),
    _required("note", Text),
    Column("cause_id", Id),
    PrimaryKeyConstraint("record_id", "id"),
    sqlite_with_rowid=False,
)

taint = Table("taint", METADATA, _key("record_id"), _key("root_id"), sqlite_with_rowid=False)
"""What derives from a record that was invalidated once: kept with `link` and `mark`, only grows.

Whether the root is invalid at present is what its latest mark says. Every root is a row too.
"""

run_event = Table(
    "run_event",
    METADATA,
    _key("run_id", Text),
    _key("id"),
    _required("at", Id),
    Column("flow_id", Text),
    Column("flow_title", Text),
    Column("label", Text),
    Column("status", Text),
    Column("run_owner", Text),
    Column("start_time", Id),
    Column("completion_time", Id),
    Column("audience", Text),
    sqlite_with_rowid=False,
)

run = Table(
    "run",
    METADATA,
    _key("run_id", Text),
    Column("flow_id", Text),
    Column("flow_title", Text),
    Column("label", Text),
    Column("status", Text),
    Column("run_owner", Text),
    _required("start_time", Id),
    Column("completion_time", Id),
    Column("audience", Text),
    _required("heard_at", Id),
    Index(None, "start_time", "run_id"),
)
"""What `run_event` comes to at present, kept with it in the same transaction for fast listing."""
Index("ix_run_flow_id", run.c.flow_id)

run_tag = Table(
    "run_tag", METADATA, _key("run_id", Text), _key("tag", Text), sqlite_with_rowid=False
)
Index("ix_run_tag_tag", run_tag.c.tag)

action = Table(
    "action",
    METADATA,
    _key("action_id", Text),
    _required("creator", Text),
    _required("request_id", Text),
    _required("body_digest", Text),
    _required("status", Text),
    _required("document", Text),
    Column("step_id", Id),
    _required("audience", Text),
    _required("created_at", Id),
    _required("release_at", Id),
    UniqueConstraint("creator", "request_id"),
    Index(None, "release_at"),
)

store_info = Table(
    "store_info",
    METADATA,
    _key("name", Text),
    _required("value", Text),
    sqlite_with_rowid=False,
)
"""What is said of the store itself: `min_reader` and `min_writer`, see `schema`."""

LOCAL: dict[str, tuple[str, ...]] = {
    "origin": ("vouched",),
    "record": ("run_audience",),
    "uri": ("uri_norm",),
}
"""Columns that a store fills in itself: they are in no row that travels, are never compared, and
are made anew when rows come from another store.

`vouched`: the server that this store belongs to has seen a token of `who`. `run_audience`: the
audience of the record's run. `uri_norm`: the normal form of the URI where it is another text
(`uris.normal_uri`)."""

_ON_POSTGRESQL: dict[str, dict[str, object]] = {
    # Its B-trees hold no values over 2,700 bytes, its hash indexes do.
    "ix_record_name": {"using": "hash"},
    "ix_record_run_id_id": {"where": record.c.run_id.is_not(None)},
    "ix_step_action_id": {"using": "hash"},
    "ix_uri_uri": {"using": "hash"},
    "ix_uri_uri_norm": {"using": "hash", "where": uri.c.uri_norm.is_not(None)},
    "ix_run_flow_id": {"using": "hash"},
    "ix_run_tag_tag": {"using": "hash"},
    "ix_link_option": {"where": OF_DECISIONS},
    "ix_outcome_status": {"where": DID_NOT_SUCCEED},
    "ix_link_from_id": {"include": ["to_id", "role"]},
    "ix_uri_digest_hash": {"where": uri.c.digest.is_not(None)},
}


def fit_postgresql() -> None:
    """Give the indexes the options that they have on PostgreSQL; again changes nothing.

    Not done where they are declared: SQLAlchemy loads its whole PostgreSQL dialect to look at such
    an option, which is a tenth of what a short command on SQLite costs.
    """
    for index in (index for table in METADATA.tables.values() for index in table.indexes):
        for option, value in _ON_POSTGRESQL.get(str(index.name), {}).items():
            index.dialect_kwargs[f"postgresql_{option}"] = value


TABLE: dict[str, Table] = dict(METADATA.tables)
"""Tables by name."""

KEYS: dict[str, tuple[str, ...]] = {
    name: tuple(column.name for column in table.primary_key) for name, table in TABLE.items()
}
"""The primary key of each table, in the order of its columns."""
