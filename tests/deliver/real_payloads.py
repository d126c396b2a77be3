"""What each target is sent for real flags: the golden files of `schemas/deliveries`.

`python -m tests.deliver.real_payloads` writes them. The flags are the golden ones, which a small story gave; its people
have no addresses anywhere, so that each target's flags get one there.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import orjson

from streams.contract.schemas import FOLDER
from streams.deliver.activitypub import ActivityPub
from streams.deliver.coop import Coop
from streams.deliver.dsa import Restriction, statement
from streams.deliver.mastodon import Mastodon
from streams.deliver.osprey import Osprey
from streams.deliver.ozone import EVENTS, Ozone
from streams.deliver.target import Step, Target
from streams.deliver.webhook import Webhook

FLAGS = FOLDER / "golden" / "flag.v2.json"
GOLDEN = FOLDER / "deliveries"
POST = "https://mastodon.example/@ines/114000000000000001"
WORDS = {"text": "The bridge is shut after a crack was found, pass it on", "lang": "en", "url": POST}
ADDRESSES: dict[str, dict[str, str]] = {
    "ozone": {"event_id": "at://did:plc:7iza6de2dwap2sbkpav7c6c6/app.bsky.feed.post/3l6oveex3ii2l"},
    "activitypub": {"author_id": "https://mastodon.example/users/ines", "event_id": POST},
}
LINK = "https://credence.example"
TARGETS: tuple[Target, ...] = (
    Osprey(),
    Coop("claim", "user", "credence", "misinformation", "post", LINK),
    Ozone("did:plc:ewvi7nxzyoun6zhxrhs64oiz", EVENTS, link=LINK),
    Mastodon(("3",), link=LINK),
    ActivityPub("https://mastodon.example/inbox", "https://credence.example/actor", link=LINK),
    Webhook(),
)
SEEN = {
    "ozone": {"cid": "bafyreibjifzpqj6o6wcq3hejh7y4z4z2vmiklkvykc57tw3pcbx3kxifpm"},
    "mastodon": {"statuses": [{"id": "114000000000000001", "account": {"id": "112000000000000007"}}]},
}
REMOTE_ID = "4711"
DECIDED_MS = 1_700_003_600_000


@cache
def flags() -> tuple[dict[str, Any], ...]:
    """Real flag records: a raise, an update and a retraction."""
    told = {each["why"]: each["record"] for each in orjson.loads(FLAGS.read_bytes())["valid"]}
    return told["raise"], told["update"], told["retract settled"]


def flag_for(target: Target, flag: dict[str, Any]) -> dict[str, Any]:
    """The flag, with the words of its claim and an address that the target knows."""
    return flag | {"claim": flag.get("claim", {}) | WORDS | ADDRESSES.get(target.NAME, {})}


def payloads(target: Target, told: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each step with its flag record and the requests for it."""
    found = []
    for flag, step in zip(told, Step, strict=True):
        remote_id = REMOTE_ID if step != Step.RAISE else ""
        sent = target.requests(flag, step, SEEN.get(target.NAME), remote_id)
        requests = [{"method": r.method, "path": r.path, "body": r.body} for r in sent]
        found.append({"step": str(step), "flag": flag, "requests": requests})
    return found


def held(name: str) -> dict[str, Any]:
    """A golden file. It holds the flags that it was made of: when flags change, it stays what it is."""
    found: dict[str, Any] = orjson.loads((GOLDEN / f"{name}.json").read_bytes())
    return found


def written(target: Target, told: Sequence[dict[str, Any]]) -> bytes:
    """A golden file as it must stand for these flag records."""
    document = {"target": target.NAME, "deliveries": payloads(target, told)}
    return orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n"


def dsa_written(flag: dict[str, Any]) -> bytes:
    """The golden file of a statement of reasons, as it must stand for this flag record."""
    decision = {
        "v": 1, "id": "decision-1", "flag_id": flag["flag_id"], "revision": flag["revision"],
        "claim_id": flag["subject"]["id"], "decision": "confirmed", "decided_by": "mo", "decided_at_ms": DECIDED_MS,
    }  # fmt: skip
    restriction = Restriction("labelled", "Rule 4: misinformation", "The post states as fact what is not so.")
    document = {"decision": decision, "flag": flag, "statement": statement(decision, flag, restriction)}
    return orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n"


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    (GOLDEN / "dsa.json").write_bytes(dsa_written(flags()[0]))
    for each in TARGETS:
        (GOLDEN / f"{each.NAME}.json").write_bytes(written(each, [flag_for(each, flag) for flag in flags()]))
