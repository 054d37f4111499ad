"""The one gate: a row is valid here, or is made so, whoever brings it.

`limits` says what the store takes, `policy` what happens with what it does not take, `scalars`
how Python values become plain ones, `texts` and `uris` how text is kept, `rows` what each table
wants of a row, and `batches` what the rows of a batch want of each other. Carriers differ only in
their policy. Nothing here imports a database.
"""
