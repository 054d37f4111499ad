"""Flow definitions of Globus Flows: validate, instrument, run in a sandbox, harvest.

===================  ==========================================================
`flows.definition`   reads, validates, instruments and strips definitions
`flows.harvest`      history from the logs of runs that nobody instrumented
`flows.language`     references and expressions in a definition
`flows.sandbox`      a local stand-in for Globus Auth, Groups, Transfer and Flows
`flows.steps`        from a step's body to records
===================  ==========================================================
"""

from provenance_store.version import VERSION as __version__

__all__ = ["__version__"]
