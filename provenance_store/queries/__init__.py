"""Questions to a store; every answer holds only what its viewer may see."""
