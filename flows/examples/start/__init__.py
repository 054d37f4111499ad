"""A flow that asks where to start: it fine-tunes a model that can be relied on, or trains anew."""
