"""Flows to learn from: `flows.examples.bragg` is the one that `braid demo` runs."""
