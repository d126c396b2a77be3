"""ActivityPub: a Flag to another server's inbox, undone when the flag is taken back.

The activity's id is made of the flag's, so that a server which remembers ids drops repeats. Requests are signed as the
fediverse does it: RSA with SHA-256 over method, host, date and digest, in the header `Signature`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from functools import cache
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from streams.deliver.flag_text import claim_of, comment
from streams.deliver.target import Flag, Request, Step, Target, UnfitError

CONTENT_CHARS = 1_000
CONTEXT = "https://www.w3.org/ns/activitystreams"
KIND = "application/activity+json"


@dataclass(frozen=True, slots=True)
class ActivityPub(Target):
    """A server of the fediverse.

    Attributes:
        inbox: its address; also the address that requests go to.
        actor: id of the actor who speaks for this instance; its key is `#main-key`.
        to: whom the activity is addressed to; "" for nobody in particular.
        link: address of the query service; "" for no link.
    """

    NAME: ClassVar = "activitypub"
    inbox: str
    actor: str
    to: str = ""
    link: str = ""

    def requests(self, flag: Flag, step: Step, seen: Any, remote_id: str) -> Sequence[Request]:
        """A Flag at the raise, an Undo at the retraction."""
        if step == Step.UPDATE:
            return []
        return [Request("POST", "", self.flag(flag) if step == Step.RAISE else self.undo(flag))]

    def flag(self, flag: Flag) -> dict[str, Any]:
        """The Flag activity: author and post of the claim's first post. Raises UnfitError without their addresses."""
        return {"@context": CONTEXT, **self._flag(flag), "content": comment(flag, CONTENT_CHARS, self.link)}

    def undo(self, flag: Flag) -> dict[str, Any]:
        """The Undo of that Flag."""
        undone = self._flag(flag)
        return {"@context": CONTEXT, "id": f"{undone['id']}/undo", "type": "Undo", "actor": self.actor} | {
            "object": undone
        }

    def _flag(self, flag: Flag) -> dict[str, Any]:
        claim = claim_of(flag)
        named = [str(claim.get(name) or "") for name in ("author_id", "event_id", "url")]
        addresses = [each for each in dict.fromkeys(named) if urlsplit(each).scheme == "https"]
        if not set(addresses) & set(named[1:]):
            raise UnfitError("the claim's first post has no https address, in its id or its url")
        return {
            "id": f"{self.actor.split('#')[0]}#flags/{quote(flag['flag_id'], safe='')}",
            "type": "Flag",
            "actor": self.actor,
            "object": addresses,
            **({"to": self.to} if self.to else {}),
        }

    def headers(self, request: Request, body: bytes, secret: str, now_s: float) -> Mapping[str, str]:
        """Date, digest and signature; `secret` is the actor's private key as PEM."""
        there = urlsplit(self.inbox)
        told = {
            "Host": there.netloc,
            "Date": formatdate(now_s, usegmt=True),
            "Digest": "SHA-256=" + base64.b64encode(hashlib.sha256(body).digest()).decode(),
            "Content-Type": KIND,
        }
        if not secret:
            return told
        lines = [f"(request-target): post {there.path or '/'}", *(f"{k.lower()}: {v}" for k, v in told.items())]
        made = _key(secret).sign("\n".join(lines).encode(), padding.PKCS1v15(), hashes.SHA256())
        names = " ".join(["(request-target)", *(name.lower() for name in told)])
        fields = {"keyId": f"{self.actor}#main-key", "algorithm": "rsa-sha256", "headers": names}
        fields["signature"] = base64.b64encode(made).decode()
        return told | {"Signature": ",".join(f'{name}="{value}"' for name, value in fields.items())}


@cache
def _key(pem: str) -> rsa.RSAPrivateKey:
    key = load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("the actor's key is no RSA key")
    return key
