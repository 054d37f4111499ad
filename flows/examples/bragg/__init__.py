"""X-ray DNN training as a flow: collect, simulate, analyse, train, deploy, apply.

Conventional analysis of Bragg peaks (a fit) is slow, a small network is quick, and it is trained
on what the fit found, again for each scan. ``definition.json`` is the flow, `functions` is what its
Compute steps call, `beamline` makes the detector frames, and `example` puts it all together.
"""
