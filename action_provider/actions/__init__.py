"""What the action providers have in common: requests, statuses, routes."""
