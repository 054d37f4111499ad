"""Statements: a defensible account of how a result came to be, and what is not supported.

A statement is an in-toto Statement over the records that a result rests on::

    gathered evidence  ->  derived claims and gaps  ->  in-toto Statement  ->  text, or signed

What is derived follows from the evidence alone, so it can be derived again when it is verified.
"""
