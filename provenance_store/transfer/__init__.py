"""Whole stores and parts of them: merged, sliced, backed up, reduced."""
