"""Calls that Coop makes back, in the fields of its documentation, and the operator's file about them."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa


def callbacks_file(folder: Path, key: rsa.RSAPrivateKey, more: str = "") -> Path:
    """The file that says what Coop's actions, policies and appeals mean."""
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    path = folder / "coop.toml"
    path.write_text(
        f'rater = "coop"\nitem_type = "claim"\npublic_key = """\n{public.decode()}"""\n{more}\n'
        '[actions]\n"false-claim" = ["false", "confirmed"]\n"leave-it" = "dismissed"\n'
        '[policies]\nhoax = "false"\n[appeals]\nACCEPT = ["withdrawn", "dismissed"]\n'
    )
    return path


def signed(key: rsa.RSAPrivateKey, raw: bytes) -> str:
    """The header `Coop-Signature` of a body."""
    return base64.b64encode(key.sign(raw, padding.PKCS1v15(), hashes.SHA256())).decode()


def action(claim: str, action_id: str, policies: list[str] | None = None, item_type: str = "claim") -> dict[str, Any]:
    """A moderator's action on the item of a claim."""
    return {
        "item": {"id": claim, "typeId": item_type, "typeName": "Claim"},
        "action": {"id": action_id},
        "policies": [{"id": id_, "name": id_, "penalty": "NONE"} for id_ in policies or []],
        "rules": [],
        "custom": {},
        "actorEmail": "mo@platform.example",
        "actorNote": "The council says it is open.",
        "decisionReason": "Checked with the council",
    }


def appeal(claim: str, decided: str) -> dict[str, Any]:
    """A decided appeal against what was done to the item of a claim."""
    return {
        "appealId": "a-1",
        "item": {"id": claim, "typeId": "claim", "typeName": "Claim"},
        "appealedBy": {"id": "ines", "typeId": "user"},
        "appealDecision": decided,
    }
