"""Reads scores and follows flags: `python examples/read_scores.py http://localhost:8080 [TOKEN]`, until Ctrl-C.

A ranking service would do the first two, a queue the last. Where there is too little evidence there is no figure.
"""

from __future__ import annotations

import contextlib
import sys

from streams.client.sync import Client


def main(url: str, token: str = "") -> None:
    """Print the riskiest claims, what is known of those that grow most, and flags as they come."""
    with Client(url, token) as client:
        riskiest = [claim for _, claim in zip(range(5), client.list_claims(state="open"), strict=False)]
        for claim in riskiest:
            figure = "–" if claim.score is None else f"{claim.score:.2f} ({claim.low:.2f}–{claim.high:.2f})"
            print(f"{claim.claim_id}: {claim.assessment}, score {figure}, risk {claim.risk:.2f}")
        # Any number of ids at once, as when a page of posts is ranked.
        growing = [claim.claim_id for _, claim in zip(range(200), client.list_claims(sort="growth"), strict=False)]
        known = client.claims([*growing, "unheard-of"])
        print(f"{len(known)} of {len(growing) + 1} are known")
        # A consumer that must miss nothing writes `go_on_from` down, and begins there the next time.
        for change, go_on_from in client.changes(["flags"], start="beginning"):
            flag = change.record or {}
            print(
                f"flag {flag.get('action')}: {change.id}, priority {flag.get('priority')} [{go_on_from[:24]}…]",
                flush=True,
            )


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main(*sys.argv[1:])
