"""Signing in by the organisation's own sign-on (OpenID Connect): what is asked for, and whose name comes back."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Protocol
from urllib.parse import urlsplit

from msgspec import Meta

from intertie.gateway.configuration.listening import LOOPBACK
from intertie.model.record import Record


class OidcSettings(Record, frozen=True, kw_only=True):
    """`[oidc]`: the provider, and who we are there. Without `issuer` there is none.

    Who may come in, and in which roles, our own list of people says: the provider only says who somebody is.
    """

    issuer: str = ""
    client: str = ""
    # File with the client's secret, in the gateway directory; without it PKCE alone protects the code.
    secret_file: str = ""
    # Which claim of the ID token is a person's name here.
    claim: Annotated[str, Meta(pattern=r"^[a-zA-Z_][a-zA-Z0-9_:/.-]{0,99}(?!\n)$")] = "email"
    label: Annotated[str, Meta(max_length=60)] = "your organisation"
    seconds: Annotated[float, Meta(gt=0, le=60)] = 10.0

    def check(self) -> None:
        """ValueError for a provider that is none, or that anybody on the way could play."""
        if not self.issuer:
            return
        parts = urlsplit(self.issuer)
        inside = parts.scheme == "http" and parts.hostname in LOOPBACK
        if not parts.hostname or (parts.scheme != "https" and not inside):
            raise ValueError("issuer: an https address")
        if not self.client:
            raise ValueError("client: who this portal is to the provider")


class Pending(Record, frozen=True, kw_only=True):
    """What was asked, kept until the browser comes back."""

    state: str
    nonce: str
    verifier: str
    onward: str


class SingleSignOn(Protocol):
    """A provider. Goes over the network; raises IntertieError."""

    @property
    def label(self) -> str:
        """What people call it."""

    def begin(self, back: str, onward: str) -> tuple[str, Pending]:
        """Where the browser goes, and what to keep until it comes back to `back`."""

    def finish(self, pending: Pending, back: str, code: str, now: datetime) -> str:
        """The name of the person, by a verified ID token; NotSignedOn."""
