"""The scoring core: pure, vectorised, without IO, clock or globals. State lives in `Table` only."""
