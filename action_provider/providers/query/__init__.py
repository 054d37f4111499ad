"""The action provider at ``/query``: what a flow may ask in the middle of a run."""
