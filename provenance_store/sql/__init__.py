"""All SQL of Braid: tables, statements to write, queries to read, differences of dialects."""
