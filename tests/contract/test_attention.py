"""Which claims stand first in a list for people, and the reason that stands beside each."""

from __future__ import annotations

from streams.contract.attention import first_looked_at
from tests.scores import T0_MS, claim

DAY_MS = 86_400_000


def test_rising_claims_come_first_then_open_ones_by_risk_and_settled_ones_last() -> None:
    told = first_looked_at(
        [
            claim("settled", verdict="false", expected_growth_24h=900.0, risk=0.99),
            claim("disputed", verdict="true", raters_disagree=True, last_event_ms=T0_MS - 9_000),
            claim("risky", risk=0.9),
            claim("fading", expected_growth_24h=0.4, risk=0.5),
            claim("faster", expected_growth_24h=120.2, risk=0.1),
            claim("as-fast-and-riskier", expected_growth_24h=119.9, risk=0.7, flagged=True),
            claim("silent-for-a-day", expected_growth_24h=5_000.0, risk=0.2, last_event_ms=T0_MS - 5_000 - DAY_MS),
        ]
    )
    assert [(record["claim_id"], why) for record, why in told] == [
        ("as-fast-and-riskier", "flagged; rising: about 120 more within a day"),
        ("faster", "rising: about 120 more within a day"),
        ("risky", "not rising"),
        ("fading", "not rising"),
        ("silent-for-a-day", "not rising"),
        ("settled", "settled"),
        ("disputed", "settled, but raters disagree"),
    ]


def test_no_claims_are_no_list() -> None:
    assert first_looked_at([]) == []
