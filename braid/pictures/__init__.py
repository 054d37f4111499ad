"""Lineage as trees, graphs and pictures."""
