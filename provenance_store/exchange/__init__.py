"""The history in the formats of others: exports, catalog documents, imports.

Exports are written from an `Extract`, a part of the history in memory; imports become one batch.
One module a format.
"""
