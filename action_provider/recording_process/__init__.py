"""Recording in a process of its own, beside the worker that speaks HTTP."""
