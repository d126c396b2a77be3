"""Stamps: what the claims stage is told of a source, as a function of its record and of the moment of its stance.

    stamp = f(record, cluster; time and coins of the moment)

The record is what verdicts in force on other claims say of the source. It is faded to the time of the stance, or to the
latest of these verdicts if that came later. The moment belongs to (source, claim): time and coins as they were when the
source last spoke there. So a verdict never moves a stamp on its own claim. Verdicts on other claims change the record
alone; when they are withdrawn, what they did to stamps is undone to the last digit, in any order of events.

Coins are learned all the time, but stamps follow in generations. A new generation begins when the weights of typical
records have moved materially. It reaches open claims of recently active sources, where it changes their stamps.

Failure modes: only the eight newest claims of a source get new stamps. A claim that ages out of the eight between a
verdict and its withdrawal keeps what the verdict did to it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from streams.contract.codes import SETTLED
from streams.scoring.config import ScoringConfig
from streams.scoring.numeric import Floats, Int, Ints, faded, thousandth
from streams.scoring.parameters.params import Params
from streams.scoring.sources.credibility import COINS, band_of, coins, signed_weights, typical_weights
from streams.scoring.sources.credits import HalfLives, add_verdict, count_verdict, half_lives, recount
from streams.scoring.sources.history import log_odds_of_false
from streams.scoring.sources.source_tables import SourceViews, source_of
from streams.tables.blocks import Column
from streams.tables.compiled import compiled, inlined
from streams.tables.field import Field
from streams.tables.index import touch
from streams.tables.table import Table


class Terms(NamedTuple):
    """What a stamp depends on, source and pair apart.

    Attributes:
        coins: [generations, 2, bands] P(support) given true, and given false.
        generation: of the coins in force.
        coin_strength, history_strength: pseudo-counts.
        base_false: where histories start.
        scratch: room for one record.
    """

    coins: Floats
    generation: int
    coin_strength: float
    history_strength: float
    base_false: float
    halves: HalfLives
    scratch: npt.NDArray[Any]


class StampColumns(NamedTuple):
    """Stamps in the making, by the columns of a block."""

    w: Floats
    v: Floats
    z: Ints
    cl: npt.NDArray[np.uint64]
    band: npt.NDArray[np.int8]
    hist0: Floats
    hist30: Floats
    known: npt.NDArray[np.int8]


def empty_stamps(count: int) -> StampColumns:
    """Room for so many stamps."""
    floats, codes = np.empty((4, count)), np.empty((2, count), np.int8)
    sequence, clusters = np.empty(count, np.int64), np.empty(count, np.uint64)
    return StampColumns(floats[0], floats[1], sequence, clusters, codes[0], floats[2], floats[3], codes[1])


@inlined
def weights(record: Any, age_ms: Int, generation: Int, terms: Terms) -> tuple[float, float]:
    """Signed weights of a source's support and of its denial, nats."""
    fade, band = faded(age_ms, terms.halves.record), band_of(record.right + record.wrong)
    given = terms.coins[generation]
    support, deny = signed_weights(
        given[0, band],
        given[1, band],
        (record.right_supports * fade, record.right_denials * fade),
        (record.wrong_supports * fade, record.wrong_denials * fade),
        terms.coin_strength,
    )
    return thousandth(support), thousandth(deny)


@inlined
def history(false: float, true: float, age_ms: Int, half_life_ms: float, terms: Terms) -> float:
    """Log-odds of taking part in falsehoods, nats."""
    fade = faded(age_ms, half_life_ms)
    return thousandth(log_odds_of_false(false * fade, true * fade, terms.base_false, terms.history_strength))


@compiled
def record_for(tables: SourceViews, source: Int, row: Int, terms: Terms) -> Any:
    """The source's record without the verdict on the claim that a stamp is for."""
    pair = tables.pairs.records[row]
    if pair.finding == 0:
        return tables.sources.records[source]
    terms.scratch[0] = tables.sources.records[source]
    record = terms.scratch[0]
    was_latest = pair.ruled_ms == record.ruled_ms
    count_verdict(record, pair, -1)
    add_verdict(record, pair, -1.0, terms.halves)
    record.right_supports, record.wrong_supports = max(record.right_supports, 0.0), max(record.wrong_supports, 0.0)
    record.right_denials, record.wrong_denials = max(record.right_denials, 0.0), max(record.wrong_denials, 0.0)
    record.joined_false_30, record.joined_true_30 = max(record.joined_false_30, 0.0), max(record.joined_true_30, 0.0)
    if was_latest and np.int64(pair.spoke_s) * 1000 < record.ruled_ms:  # the record stands at the latest of the others
        recount(record, tables.pairs.records, row, terms.halves)
    return record


@inlined
def stamp(tables: SourceViews, row: Int, terms: Terms, out: StampColumns, at: Int) -> None:
    """Write the stamp of a pair's source for its claim as row `at` of the columns; its sequence apart."""
    source = source_of(tables.pairs.rows.keys[row])
    pair, whole = tables.pairs.records[row], tables.sources.records[source]
    out.cl[at], out.band[at], out.known[at] = whole.cluster, 0, pair.met
    out.hist0[at], out.hist30[at] = 0.0, 0.0
    record, age_ms = whole, np.int64(0)
    if whole.ruled_ms:
        record = record_for(tables, source, row, terms)
        age_ms = max(np.int64(pair.spoke_s) * 1000 - record.ruled_ms, np.int64(0))
        joined = record.joined_false + record.joined_true
        out.band[at] = band_of(record.right + record.wrong)
        if joined > 0:
            out.known[at] = SETTLED
        out.hist0[at] = history(record.joined_false, record.joined_true, age_ms, 0.0, terms)
        half_life = terms.halves.history
        out.hist30[at] = history(record.joined_false_30, record.joined_true_30, age_ms, half_life, terms)
    # Who acts with others as one corroborates nothing, however right it was: so are records bought.
    out.w[at], out.v[at] = 0.0, 0.0
    if not whole.cluster:
        out.w[at], out.v[at] = weights(record, age_ms, pair.generation, terms)


@compiled
def stamp_all(tables: SourceViews, rows: Ints, sequence: Int, terms: Terms, out: StampColumns) -> None:
    """Stamps of pairs, as they stand."""
    for i in range(len(rows)):
        stamp(tables, rows[i], terms, out, i)
        out.z[i] = sequence


@compiled
def take_coins(tables: SourceViews, rows: Ints, terms: Terms, least: float, moved: Ints) -> int:
    """Give pairs the coins in force where these move a weight by more than `least` nats.

    Returns:
        how many these are; their rows are in `moved`.
    """
    count = 0
    for row in rows:
        pair, source = tables.pairs.records[row], source_of(tables.pairs.rows.keys[row])
        if tables.sources.records[source].cluster:
            continue  # weighs nothing
        record, age_ms = tables.sources.records[source], np.int64(0)
        if record.ruled_ms:
            record = record_for(tables, source, row, terms)
            age_ms = max(np.int64(pair.spoke_s) * 1000 - record.ruled_ms, np.int64(0))
        then = weights(record, age_ms, pair.generation, terms)
        now = weights(record, age_ms, terms.generation, terms)
        gap = max(abs(max(now[0], 0.0) - max(then[0], 0.0)), abs(max(now[1], 0.0) - max(then[1], 0.0)))
        if gap > least:
            pair.generation = terms.generation
            touch(tables.pairs.rows, row)
            moved[count] = row
            count += 1
    return count


class Stamps:
    """The generations of coins of a partition, and what else its stamps depend on."""

    def __init__(self, sources: Table, config: ScoringConfig) -> None:
        self.config = config
        self.generations = Table(
            "generations", {name: Field("f8", "learned coin: P(support)") for name in COINS}, integers=True
        )
        self._scratch = np.zeros_like(sources.records[:1])
        self._terms: Terms | None = None

    @property
    def generation(self) -> int:
        """Number of the generation of coins in force."""
        return max(self.generations.size - 1, 0)

    def learn(self, params: Params) -> bool:
        """Begin a new generation if the parameters move the weights of typical records materially; whether they do."""
        self._terms = None
        now = typical_weights(coins(params), self.config)
        then = typical_weights(self._coins()[self.generation], self.config)
        if np.abs(np.maximum(now, 0) - np.maximum(then, 0)).max() <= self.config.restamp_epsilon / 2:
            return False
        if not self.generations.size:
            self._begin(Params())
        self._begin(params)
        return True

    def terms(self, params: Params) -> Terms:
        """What stamps depend on now."""
        if self._terms is None:
            config = self.config
            self._terms = Terms(
                self._coins(), self.generation, config.coin_prior_strength, config.history_prior_strength,
                float(params.base_false), half_lives(config), self._scratch,
            )  # fmt: skip
        return self._terms

    def _begin(self, params: Params) -> None:
        rows, _ = self.generations.ensure(np.array([self.generations.size]))
        for name in COINS:
            self.generations[name][rows] = getattr(params, name)

    def _coins(self) -> Floats:
        """[generations, 2, bands] coins given true and given false."""
        if not self.generations.size:
            return coins(Params())[None].copy()
        columns = [self.generations[name][: self.generations.size] for name in COINS]
        return np.stack(columns, axis=1).reshape(-1, 2, len(COINS) // 2)


def as_columns(stamps: StampColumns, count: int) -> dict[str, Column]:
    """The first stamps, as the columns of a block."""
    return {name: column[:count] for name, column in stamps._asdict().items()}
