"""One search strategy per file: ``propose(space, generator, options)`` is a coroutine.

It yields rows (B, L) to evaluate and is sent their values (B,), larger is better, for ever; the driver
(:mod:`lbt.nas.search.run`) stops it when the budget is spent. Proposing a row that was evaluated before costs nothing.
"""
