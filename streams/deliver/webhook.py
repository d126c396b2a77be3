"""Any HTTP service: every flag record as JSON, signed as the specification "Standard Webhooks" says.

The signature is HMAC-SHA256 over `id.timestamp.body`, in base64. The id is the same at each try, so that a receiver
drops repeats by it; the timestamp is new at each try, so that it can refuse what is old.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from streams.deliver.target import Flag, Request, Step, Target, reference

_PREFIX = "whsec_"
_TYPES = {"raise": "flag.raised", "update": "flag.updated", "retract": "flag.retracted"}


@dataclass(frozen=True, slots=True)
class Webhook(Target):
    """A service that takes every record as it is."""

    NAME: ClassVar = "webhook"
    EVERY_REVISION: ClassVar = True

    def requests(self, flag: Flag, step: Step, seen: Any, remote_id: str) -> Sequence[Request]:
        """The flag record, with its id and its type."""
        body = {"id": delivery_id(flag), "type": _TYPES[flag["action"]], "reference": reference(flag), "flag": flag}
        return [Request("POST", "", body)]

    def headers(self, request: Request, body: bytes, secret: str, now_s: float) -> Mapping[str, str]:
        """Id, time and signature."""
        id_, at = request.body["id"], str(int(now_s))
        told = {"Webhook-Id": id_, "Webhook-Timestamp": at}
        return told | ({"Webhook-Signature": "v1," + signature(secret, id_, at, body)} if secret else {})


def delivery_id(flag: Flag) -> str:
    """The same for each try to deliver a flag record, another for each record."""
    return "msg_" + hashlib.sha256(reference(flag).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def signature(secret: str, id_: str, timestamp: str, body: bytes) -> str:
    """HMAC-SHA256 in base64 of what is sent.

    Args:
        secret: `whsec_` and the key in base64; anything else is the key itself.
        id_, timestamp: as in the header fields.
        body: bytes as sent.
    """
    key = secret.encode()
    if secret.startswith(_PREFIX):
        try:
            key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except binascii.Error as error:
            raise ValueError(f"what follows {_PREFIX} in the secret is no base64") from error
    signed = f"{id_}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
