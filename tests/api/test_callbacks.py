"""Coop's calls to the query service: who may not, what means nothing, and what is about nothing that is known."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric import rsa

from streams.contract.settings import Settings
from streams.kafka import provision
from tests.api.serving import Api
from tests.deliver.coop_calls import action, callbacks_file, signed

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def call(api: Api, raw: bytes, signature: str) -> tuple[int, dict[str, Any]]:
    headers = {"Coop-Signature": signature, "Content-Type": "application/json"}
    request = urllib.request.Request(f"{api.url}/v1/callbacks/coop", raw, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_what_is_answered_to_a_call(settings: Settings, tmp_path: Path) -> None:
    provision.create(settings.broker, settings)
    without = Api(settings)
    try:
        assert call(without, b"{}", "")[0] == 404
    finally:
        assert without.end() == 0
    api = Api(settings, CREDENCE_COOP_CALLBACKS_FILE=str(callbacks_file(tmp_path, KEY)))
    try:
        api.becomes("/readyz", lambda status, _: status == 200)
        body = orjson.dumps(action("bridge", "false-claim"))
        assert call(api, body, "")[0] == 401
        assert call(api, body + b" ", signed(KEY, body))[0] == 401
        assert call(api, b"[]", signed(KEY, b"[]"))[0] == 400
        status, told = call(api, body, signed(KEY, body))
        assert (status, told["detail"]) == (404, "no claim 'bridge' is known")
        other = orjson.dumps(action("bridge", "unheard-of"))
        assert call(api, other, signed(KEY, other)) == (
            200,
            {"became": "ignored", "detail": "the operator's file gives this no meaning"},
        )
    finally:
        assert api.end() == 0
        provision.delete(settings.broker, settings)
