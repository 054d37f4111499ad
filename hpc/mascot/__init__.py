"""Mascot: the synthetic workload of the Braid-DB paper, the yardstick for recording.

C configurations with U URIs each; M models, model i depending on configuration i; N cycles of E
experiments, each depending on `dependencies` random configurations, with U URIs; after each
cycle every model is exposed to all new experiments and becomes a new version.
"""

from hpc.mascot.workload import Progress, Size, play

__all__ = ["Progress", "Size", "play"]
