"""A flow that asks where to start: it goes on from what can be relied on, and deploys only that."""
