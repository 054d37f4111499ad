"""Numbered changes of the schema, for Alembic. A released one is never edited."""
