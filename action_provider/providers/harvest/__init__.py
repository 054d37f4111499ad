"""The action provider at ``/harvest``."""
