"""What can go wrong while a flow's references and expressions are evaluated.

::

    InvalidInput
    +-- LanguageError         a path, expression, template or rule that is not valid
        +-- PathNotFound      a valid path that leads nowhere in this state
        +-- ExpressionError   an expression that does not parse, is not allowed, or fails
"""

from __future__ import annotations

from provenance_store.errors import InvalidInput

__all__ = ["ExpressionError", "LanguageError", "PathNotFound"]


class LanguageError(InvalidInput):
    """The definition or the run's state does not fit the flow language."""


class PathNotFound(LanguageError):
    """The path leads nowhere in the run's state."""


class ExpressionError(LanguageError):
    """The expression cannot be evaluated."""
