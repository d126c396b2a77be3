"""What Coop calls back: a moderator's action or a decided appeal, checked by its signature and put into our words.

Coop signs the raw body (RSASSA-PKCS1-v1_5 with SHA-256) and tries five times, without an id for the delivery. Which of
its actions and policies mean what is the operator's to say, in a file.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from streams.contract.settings import PREFIX, SettingsError
from streams.contract.words import NOTE_CHARS_MAX, FlagDecision, RulingKind, Verdict
from streams.deliver.flag_text import cut

REPEATS_S = 3_600
"""Within an hour of the clock the same body again is a repeat, and after it another decision of the same words."""
_WORDS = frozenset((*Verdict, *FlagDecision))
_APPEALS = ("ACCEPT", "REJECT")
_TABLES = ("actions", "policies", "appeals")


class CallbackError(Exception):
    """The body is no callback of Coop's. The message says what is missing."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What was decided at Coop, in our words.

    Attributes:
        verdict: what the rater finds of the claim; None: nothing.
        decision: what was decided on the claim's flag; None: nothing.
        by: who decided: the moderator, where the operator wants that to be kept, else the rater.
        key: the same for a repeat of the same call.
    """

    claim_id: str
    verdict: Verdict | None
    decision: FlagDecision | None
    kind: RulingKind
    note: str | None
    by: str
    key: str


@dataclass(frozen=True, slots=True)
class CoopCallbacks:
    """How Coop's callbacks are read.

    Attributes:
        rater: under whose name rulings are made.
        item_type: id of the item type of claims; callbacks about other items are left alone.
        actions, policies: id → words; the action's come first.
        appeals: ACCEPT or REJECT → words.
        moderators: whether it is kept which moderator decided.
    """

    key: rsa.RSAPublicKey
    rater: str
    item_type: str
    actions: Mapping[str, tuple[str, ...]]
    policies: Mapping[str, tuple[str, ...]]
    appeals: Mapping[str, tuple[str, ...]]
    moderators: bool = False

    @classmethod
    def read(cls, path: Path) -> Self:
        """What the file says. Raises SettingsError where it cannot be used, with the line of it that is wrong."""
        name = f"{PREFIX}COOP_CALLBACKS_FILE is {path}"
        try:
            said = tomllib.loads(path.read_text("utf-8"))
            key = load_pem_public_key(str(said["public_key"]).strip().encode())
            rater, item_type = str(said["rater"]), str(said["item_type"])
        except OSError as error:
            raise SettingsError(f"{name}, which cannot be read: {error.strerror}") from error
        except KeyError as error:
            raise SettingsError(f"{name}, which lacks {error}") from error
        except ValueError as error:
            raise SettingsError(f"{name}, which cannot be used: {error}") from error
        if not isinstance(key, rsa.RSAPublicKey):
            raise SettingsError(f"{name}, whose public_key is no RSA key")
        actions, policies, appeals = (
            {str(id_): _words(name, id_, words) for id_, words in said.get(table, {}).items()} for table in _TABLES
        )
        if unknown := appeals.keys() - set(_APPEALS):
            raise SettingsError(f"{name}, whose appeals name {', '.join(unknown)}: there are {', '.join(_APPEALS)}")
        return cls(key, rater, item_type, actions, policies, appeals, bool(said.get("moderators", False)))

    def signed(self, signature: str, raw: bytes) -> bool:
        """Whether Coop signed these bytes."""
        try:
            self.key.verify(base64.b64decode(signature, validate=True), raw, padding.PKCS1v15(), hashes.SHA256())
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True

    def answered(self, raw: bytes) -> Answered | None:
        """What a callback says; None where the operator gave it no meaning. Raises CallbackError if it is none."""
        try:
            body = orjson.loads(raw)
            item = body["item"]
            claim_id, item_type = str(item["id"]), str(item["typeId"])
            appealed = body.get("appealDecision")
            words = self._meaning(body) if appealed is None else self.appeals.get(str(appealed), ())
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            raise CallbackError("the body is no callback: it has an item with id and typeId, and an action") from None
        if item_type != self.item_type or not words:
            return None
        actor = body.get("actorEmail") or body.get("appealedBy")
        told = [str(body[name]) for name in ("actorNote", "decisionReason") if body.get(name)]
        return Answered(
            claim_id=claim_id,
            verdict=next((Verdict(word) for word in words if word in tuple(Verdict)), None),
            decision=next((FlagDecision(word) for word in words if word in tuple(FlagDecision)), None),
            kind=RulingKind.MODERATION if appealed is None else RulingKind.APPEAL,
            note=cut(" – ".join(told), NOTE_CHARS_MAX) if told else None,
            by=str(actor) if self.moderators and appealed is None and actor else self.rater,
            key=f"coop-{hashlib.sha256(raw).hexdigest()}-{int(time.time() // REPEATS_S)}",
        )

    def _meaning(self, body: Mapping[str, Any]) -> tuple[str, ...]:
        if found := self.actions.get(str(body["action"]["id"])):
            return found
        policies = [str(policy["id"]) for policy in body.get("policies") or ()]
        return next((self.policies[id_] for id_ in policies if id_ in self.policies), ())


def _words(name: str, id_: str, said: Any) -> tuple[str, ...]:
    """One word or several. Raises SettingsError on another word, or on two verdicts or decisions."""
    words = tuple(map(str, said)) if isinstance(said, list) else (str(said),)
    if unknown := set(words) - _WORDS:
        raise SettingsError(
            f"{name}, where {id_} means {', '.join(sorted(unknown))}: there are {', '.join(sorted(_WORDS))}"
        )
    if max(len(set(words) & set(Verdict)), len(set(words) & set(FlagDecision))) > 1:
        raise SettingsError(f"{name}, where {id_} means two verdicts or two decisions")
    return words
