"""The action providers: what a flow's Action states call."""
