"""The action provider and the query API, with the extra `server`.

`action_provider.app.create_app` makes the WSGI application.
"""

from provenance_store.version import VERSION as __version__

__all__ = ["__version__"]
