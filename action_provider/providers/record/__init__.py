"""The action provider at ``/record``."""
