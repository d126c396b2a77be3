"""Coop's callbacks: only what Coop signed counts, and it means what the operator's file says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from streams.contract.settings import SettingsError
from streams.deliver.coop_callback import CallbackError, CoopCallbacks
from tests.deliver.coop_calls import action, appeal, callbacks_file, signed

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def coop(tmp_path: Path) -> CoopCallbacks:
    return CoopCallbacks.read(callbacks_file(tmp_path, KEY))


def test_a_signature_is_that_of_the_raw_body(coop: CoopCallbacks) -> None:
    raw = orjson.dumps(action("bridge", "false-claim"))
    assert coop.signed(signed(KEY, raw), raw)
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    for signature, body in (
        (signed(KEY, raw), raw + b" "), (signed(other, raw), raw), ("", raw), ("no base64!", raw), ("AAAA", raw),
    ):  # fmt: skip
        assert not coop.signed(signature, body)


@pytest.mark.parametrize(
    ("body", "verdict", "decision", "kind"),
    [
        (action("bridge", "false-claim"), "false", "confirmed", "moderation"),
        (action("bridge", "leave-it"), None, "dismissed", "moderation"),
        (action("bridge", "hide", policies=["spam", "hoax"]), "false", None, "moderation"),
        (appeal("bridge", "ACCEPT"), "withdrawn", "dismissed", "appeal"),
    ],
)
def test_what_is_decided_means_what_the_file_says(
    coop: CoopCallbacks, body: dict[str, Any], verdict: str | None, decision: str | None, kind: str
) -> None:
    answered = coop.answered(orjson.dumps(body))
    assert answered is not None
    assert (answered.claim_id, answered.verdict, answered.decision, answered.kind) == (
        "bridge",
        verdict,
        decision,
        kind,
    )
    again = coop.answered(orjson.dumps(body))
    other = coop.answered(orjson.dumps({**body, "custom": 1}))
    assert again is not None
    assert other is not None
    assert other.key != answered.key


def test_a_moderator_is_named_only_where_the_operator_wants_it(tmp_path: Path, coop: CoopCallbacks) -> None:
    raw = orjson.dumps(action("bridge", "false-claim"))
    named = CoopCallbacks.read(callbacks_file(tmp_path, KEY, "moderators = true\n"))
    assert [each.by for each in (coop.answered(raw), named.answered(raw)) if each] == ["coop", "mo@platform.example"]


def test_the_moderators_words_become_the_note(coop: CoopCallbacks) -> None:
    answered = coop.answered(orjson.dumps(action("bridge", "false-claim")))
    assert answered is not None
    assert answered.note == "The council says it is open. – Checked with the council"


@pytest.mark.parametrize(
    "body",
    [action("bridge", "unheard-of"), appeal("bridge", "REJECT"), action("bridge", "false-claim", item_type="post")],
)
def test_what_the_file_gives_no_meaning_is_left_alone(coop: CoopCallbacks, body: dict[str, Any]) -> None:
    assert coop.answered(orjson.dumps(body)) is None


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"{}", b'{"item": 3}', b'{"item": {"id": "x", "typeId": "claim"}}', b"\xff"]
)
def test_what_is_no_callback_is_refused(coop: CoopCallbacks, raw: bytes) -> None:
    with pytest.raises(CallbackError):
        coop.answered(raw)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"false-claim": "wrong"}, "means wrong"),
        ({"public_key": "none"}, "cannot be used"),
        ({"rater": "other"}, "lacks 'rater'"),
        ({"ACCEPT": "MAYBE"}, "there are ACCEPT, REJECT"),
        ({'"confirmed"': '"true"'}, "two verdicts"),
    ],
)
def test_a_file_that_cannot_be_used_is_told(tmp_path: Path, change: dict[str, str], said: str) -> None:
    path = callbacks_file(tmp_path, KEY)
    ((old, new),) = change.items()
    text = path.read_text()
    path.write_text(
        {
            "false-claim": text.replace('["false", "confirmed"]', f'["{new}"]'),
            "public_key": text.replace("BEGIN PUBLIC KEY", new),
            "rater": text.replace("rater =", f"{new} ="),
        }.get(old, text.replace(old, new))
    )
    with pytest.raises(SettingsError, match=said):
        CoopCallbacks.read(path)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        CoopCallbacks.read(tmp_path / "none.toml")
