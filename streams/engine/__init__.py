"""Faust made fast and exact: whole batches as messages, state in columns, effects exactly once.

This package knows nothing of trust. A stage gives it a pure core (state and what a log record does to it) and a way
to turn effects into records; the engine makes them durable. Read in this order: `replica` (what a partition's log
means), `journal` (its changelog), `fencing` (who may write), `stage` (live), `transport` (Faust).
"""
