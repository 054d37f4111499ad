"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ID = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "action",
        sa.Column("action_id", sa.Text(), nullable=False),
        sa.Column("creator", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("body_digest", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("step_id", _ID, nullable=True),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("created_at", _ID, nullable=False),
        sa.Column("release_at", _ID, nullable=False),
        sa.PrimaryKeyConstraint("action_id", name="pk_action"),
        sa.UniqueConstraint("creator", "request_id", name="uq_action_creator_request_id"),
    )
    op.create_index("ix_action_release_at", "action", ["release_at"], unique=False)
    op.create_table(
        "audience",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_audience"),
    )
    op.create_table(
        "audience_member",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", "principal", name="pk_audience_member"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_audience_member_principal_digest",
        "audience_member",
        ["principal", "digest"],
        unique=False,
    )
    op.create_table(
        "environment",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_environment"),
    )
    op.create_table(
        "file_check",
        sa.Column("record_id", _ID, autoincrement=False, nullable=False),
        sa.Column("id", _ID, autoincrement=False, nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("at", _ID, nullable=False),
        sa.Column("size", _ID, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("record_id", "id", name="pk_file_check"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_file_check_digest", "file_check", ["digest"], unique=False)
    op.create_table(
        "link",
        sa.Column("to_id", _ID, autoincrement=False, nullable=False),
        sa.Column("from_id", _ID, autoincrement=False, nullable=False),
        sa.Column("role", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("to_id", "from_id", "role", name="pk_link"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_link_from_id",
        "link",
        ["from_id"],
        unique=False,
        postgresql_include=["to_id", "role"],
    )
    op.create_table(
        "mark",
        sa.Column("id", _ID, autoincrement=False, nullable=False),
        sa.Column("record_id", _ID, autoincrement=False, nullable=False),
        sa.Column("mark", sa.SmallInteger(), nullable=False),
        sa.Column("at", _ID, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("cause_id", _ID, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_mark"),
    )
    op.create_index("ix_mark_record_id", "mark", ["record_id"], unique=False)
    op.create_table(
        "metric",
        sa.Column("record_id", _ID, autoincrement=False, nullable=False),
        sa.Column("series", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("step", _ID, autoincrement=False, nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("record_id", "series", "name", "step", name="pk_metric"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "origin",
        sa.Column("no", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("uuid", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("process", _ID, nullable=False),
        sa.Column("software", sa.Text(), nullable=False),
        sa.Column("started_at", _ID, nullable=False),
        sa.PrimaryKeyConstraint("no", name="pk_origin"),
        sa.UniqueConstraint("uuid", name="uq_origin_uuid"),
    )
    op.create_table(
        "outcome",
        sa.Column("id", _ID, autoincrement=False, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("completed_at", _ID, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_outcome"),
    )
    op.create_table(
        "payload",
        sa.Column("record_id", _ID, autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("record_id", "name", name="pk_payload"),
    )
    op.create_table(
        "record",
        sa.Column("id", _ID, autoincrement=False, nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", _ID, nullable=False),
        sa.Column("live", sa.SmallInteger(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("environment", sa.Text(), nullable=True),
        sa.Column("audience", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_record"),
    )
    op.create_index("ix_record_created_at_id", "record", ["created_at", "id"], unique=False)
    op.create_index("ix_record_name", "record", ["name"], unique=False, postgresql_using="hash")
    op.create_index(
        "ix_record_run_id",
        "record",
        ["run_id"],
        unique=False,
        sqlite_where=sa.text("run_id IS NOT NULL"),
    )
    op.create_table(
        "run",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("flow_id", sa.Text(), nullable=True),
        sa.Column("flow_title", sa.Text(), nullable=True),
        sa.Column("label", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("run_owner", sa.Text(), nullable=True),
        sa.Column("start_time", _ID, nullable=False),
        sa.Column("completion_time", _ID, nullable=True),
        sa.Column("audience", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("run_id", name="pk_run"),
    )
    op.create_index("ix_run_flow_id", "run", ["flow_id"], unique=False, postgresql_using="hash")
    op.create_index("ix_run_start_time_run_id", "run", ["start_time", "run_id"], unique=False)
    op.create_table(
        "run_event",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("id", _ID, autoincrement=False, nullable=False),
        sa.Column("at", _ID, nullable=False),
        sa.Column("flow_id", sa.Text(), nullable=True),
        sa.Column("flow_title", sa.Text(), nullable=True),
        sa.Column("label", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("run_owner", sa.Text(), nullable=True),
        sa.Column("start_time", _ID, nullable=True),
        sa.Column("completion_time", _ID, nullable=True),
        sa.Column("audience", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("run_id", "id", name="pk_run_event"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "run_tag",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "tag", name="pk_run_tag"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_run_tag_tag", "run_tag", ["tag"], unique=False, postgresql_using="hash")
    op.create_table(
        "step",
        sa.Column("id", _ID, autoincrement=False, nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("action_url", sa.Text(), nullable=True),
        sa.Column("action_id", sa.Text(), nullable=True),
        sa.Column("run_as", sa.Text(), nullable=True),
        sa.Column("definition_digest", sa.Text(), nullable=True),
        sa.Column("ordinal", sa.Integer(), nullable=True),
        sa.Column("started_at", _ID, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_step"),
    )
    op.create_index(
        "ix_step_action_id",
        "step",
        ["action_id"],
        unique=False,
        postgresql_using="hash",
        sqlite_where=sa.text("action_id IS NOT NULL"),
    )
    op.create_table(
        "stub",
        sa.Column("id", _ID, autoincrement=False, nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_stub"),
    )
    op.create_table(
        "tag",
        sa.Column("record_id", _ID, autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("id", _ID, autoincrement=False, nullable=False),
        sa.Column("type", sa.SmallInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("number", sa.Double(), nullable=True),
        sa.Column("set_at", _ID, nullable=False),
        sa.PrimaryKeyConstraint("record_id", "name", "id", name="pk_tag"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_tag_name_number", "tag", ["name", "number"], unique=False)
    op.create_table(
        "taint",
        sa.Column("record_id", _ID, autoincrement=False, nullable=False),
        sa.Column("root_id", _ID, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("record_id", "root_id", name="pk_taint"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "uri",
        sa.Column("record_id", _ID, autoincrement=False, nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("size", _ID, nullable=True),
        sa.Column("digest", sa.Text(), nullable=True),
        sa.Column("media_type", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("record_id", "uri", name="pk_uri").ddl_if(dialect="sqlite"),
        sqlite_with_rowid=False,
    )
    if op.get_bind().dialect.name == "postgresql":
        op.create_index(
            "ix_uri_record_id_hash",
            "uri",
            ["record_id", sa.text("hashtextextended(uri, 0)")],
            unique=True,
        )
    op.create_index(
        "ix_uri_digest",
        "uri",
        ["digest"],
        unique=False,
        sqlite_where=sa.text("digest IS NOT NULL"),
        postgresql_where=sa.text("digest IS NOT NULL"),
    )
    op.create_index("ix_uri_uri", "uri", ["uri"], unique=False, postgresql_using="hash")
    op.create_table(
        "version",
        sa.Column("id", _ID, autoincrement=False, nullable=False),
        sa.Column("line_id", _ID, nullable=False),
        sa.Column("parent_id", _ID, nullable=True),
        sa.Column("depth", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_version"),
    )
    op.create_index(
        "ix_version_line_id_depth_id", "version", ["line_id", "depth", "id"], unique=False
    )
    op.create_index("ix_version_parent_id", "version", ["parent_id"], unique=False)
