"""The scoring core: pure, vectorised, without IO, clock or globals. State lives in `streams.columns.Table` only."""

from streams.scoring.claims import ClaimsState
from streams.scoring.config import ScoringConfig
from streams.scoring.effects import Effects
from streams.scoring.sources import SourcesState

__all__ = ["ClaimsState", "Effects", "ScoringConfig", "SourcesState"]
