"""The production server: gunicorn with threads, safe against callers that are slow or many."""
