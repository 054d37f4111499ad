"""Four flows as beamlines run them, without any record state, each with the TOML file that tells
`braid flow harvest --models` which of their results are models.

`<name>.json` is the flow, `<name>.toml` its conventions, `functions` what the Compute states call,
and `example` runs a flow in the sandbox. ``python -m flows.examples.harvest FOLDER`` runs them all
and keeps what the Flows service tells of each run, to be harvested from there.
"""
