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

from typing import Any

import numpy as np
import numpy.typing as npt

from streams.scoring.config import ScoringConfig
from streams.scoring.numeric import Floats, Ints, decay, milli
from streams.scoring.parameters.params import Params
from streams.scoring.sources import credibility
from streams.scoring.sources.credibility import COINS
from streams.scoring.sources.credits import COUNTED, SUMMED, applied, recounted
from streams.scoring.sources.history import log_odds_of_false
from streams.scoring.sources.open_claims import OpenClaims
from streams.tables.blocks import Numbers
from streams.tables.table import Table


class Stamps:
    """Makes stamps from the records of a partition's sources. It writes only the table of generations of coins."""

    def __init__(self, sources: Table, pairs: Table, open_claims: OpenClaims, config: ScoringConfig) -> None:
        self.sources = sources
        self.pairs = pairs
        self.open_claims = open_claims
        self.config = config
        self.generations = Table("generations", dict.fromkeys(COINS, "f8"), integers=True)

    @property
    def generation(self) -> int:
        """Number of the generation of coins in force."""
        return max(self.generations.size - 1, 0)

    def learn(self, params: Params) -> bool:
        """Begin a new generation if the parameters move the weights of typical records materially. Whether they do."""
        now = credibility.typical_weights(credibility.coins(params), self.config)
        then = credibility.typical_weights(self._coins()[self.generation], self.config)
        if np.abs(np.maximum(now, 0) - np.maximum(then, 0)).max() <= self.config.restamp_epsilon / 2:
            return False
        if not self.generations.size:
            self._begin(Params())
        self._begin(params)
        return True

    def _begin(self, params: Params) -> None:
        rows, _ = self.generations.ensure(np.array([self.generations.size]))
        for name in COINS:
            self.generations[name][rows] = getattr(params, name)

    def _coins(self) -> Floats:
        """[generations, 2, bands] coins given true and given false."""
        if not self.generations.size:
            return credibility.coins(Params())[None]
        columns = [self.generations[name][: self.generations.size] for name in COINS]
        return np.stack(columns, axis=1).reshape(-1, 2, credibility.BANDS)

    def of(self, rows: Ints, pair_rows: Ints, generation: Any, params: Params) -> dict[str, Numbers]:
        """Stamp columns, cluster and community apart.

        Args:
            rows, pair_rows: rows of the sources, and of their pairs with the claims that the stamps are for.
            generation: of the coins; one for all, or one each.
        """
        coins, count = self._coins(), len(rows)
        newcomer = credibility.newcomer_weights(coins, self.config)
        stamp: dict[str, Numbers] = {
            "w": np.full(count, newcomer[0][generation]),
            "v": np.full(count, newcomer[1][generation]),
            "band": np.zeros(count, np.int8),
            "hist0": np.zeros(count),
            "hist30": np.zeros(count),
            "hist60": np.zeros(count),
            "known": np.zeros(count, np.int8),
        }
        settled = self.sources["ref"][rows].nonzero()[0]
        if settled.size:
            generation = generation if np.ndim(generation) == 0 else generation[settled]
            for name, values in self._settled(rows[settled], pair_rows[settled], generation, coins, params).items():
                stamp[name][settled] = values
        # A source that acts as one with others corroborates nothing, however good its record: such records are bought.
        netted = self.sources["cl"][rows].nonzero()[0]
        stamp["w"][netted], stamp["v"][netted] = 0.0, 0.0
        return stamp

    def _settled(
        self, rows: Ints, pair_rows: Ints, generation: Any, coins: Floats, params: Params
    ) -> dict[str, npt.NDArray[Any]]:
        config = self.config
        record = self._records(rows, pair_rows)
        age = np.maximum(self.pairs["at"][pair_rows] * np.int64(1000) - record["ref"], 0)
        fade = decay(age, config.credibility_half_life_ms)
        right, wrong = (record["rs"] * fade, record["rd"] * fade), (record["es"] * fade, record["ed"] * fade)
        band = credibility.history_band(record["right"] + record["wrong"])
        support, deny = credibility.signed_weights(
            (coins[generation, 0, band], coins[generation, 1, band]), right, wrong, config
        )
        joined = record["f0"] + record["t0"]
        out = {"w": milli(support), "v": milli(deny), "band": band}
        out["known"] = (joined > 0).astype(np.int8) + (joined >= config.veteran_claims)
        for name, half_life in zip(("0", "30", "60"), config.history_half_lives_ms, strict=True):
            faded = decay(age, half_life)
            false, true = record["f" + name] * faded, record["t" + name] * faded
            out["hist" + name] = milli(log_odds_of_false(false, true, params.base_false, config.history_prior_strength))
        return out

    def _records(self, rows: Ints, pair_rows: Ints) -> dict[str, npt.NDArray[Any]]:
        """Records of the sources without the verdicts on the claims that the stamps are for."""
        record = {field: self.sources[field][rows] for field in ("ref", *COUNTED, *SUMMED)}
        own = self.pairs["f"][pair_rows].nonzero()[0]
        if not own.size:
            return record
        latest = self.pairs["t"][pair_rows[own]] == record["ref"][own]
        for field, amount in applied(self.pairs, pair_rows[own], record["ref"][own], self.config):
            record[field][own] = np.maximum(record[field][own] - amount, 0)
        early = self.pairs["at"][pair_rows[own]] * np.int64(1000) < record["ref"][own]
        if (latest & early).any():
            self._count_others(record, own[latest & early], rows, pair_rows)
        return record

    def _count_others(self, record: dict[str, npt.NDArray[Any]], at: Ints, rows: Ints, pair_rows: Ints) -> None:
        """If the source's latest verdict is on the very claim, count its record as of the latest on other claims."""
        owner, others = self.open_claims.settled(rows[at])
        apart = others != pair_rows[at][owner]
        owner, others = owner[apart], others[apart]
        whole, counted = recounted(self.pairs, owner, others, record["f0"][at] + record["t0"][at], self.config)
        for field, values in counted.items():
            record[field][at[whole]] = values
