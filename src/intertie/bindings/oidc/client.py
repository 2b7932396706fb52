"""The provider over HTTPS. What it publishes is kept for an hour; a key that is not known is asked for once more."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
import msgspec

from intertie.gateway.configuration.single_sign_on import OidcSettings, Pending
from intertie.model.errors import SettingsError
from intertie.seal.id_tokens import TOKEN_BYTES, NotSignedOn, new_pkce, read_id_token

DISCOVERY = "/.well-known/openid-configuration"
KEPT_SECONDS = 3600.0
# Keys are asked for anew at most this often, whatever tokens name.
KEYS_SECONDS = 60.0
# Discovery and keys are some kilobytes, a token answer too.
ANSWER_BYTES_MAX = 512 * 1024


class Provider:
    """gateway.configuration.single_sign_on.SingleSignOn. Safe to use from any thread."""

    def __init__(
        self, settings: OidcSettings, directory: Path, ticks: Callable[[], float], verify: Any = True
    ) -> None:
        """SettingsError for a secret that cannot be read. `verify`: as httpx has it."""
        self._settings = settings
        self._ticks = ticks
        self._lock = threading.Lock()
        self._found: tuple[float, dict[str, Any]] | None = None
        self._keys: tuple[float, dict[str, Any]] | None = None
        self._http = httpx.Client(timeout=settings.seconds, verify=verify, follow_redirects=False)
        self._secret = _secret(directory / settings.secret_file) if settings.secret_file else ""

    @property
    def label(self) -> str:
        """What people call it."""
        return self._settings.label

    def close(self) -> None:
        """Let go of connections."""
        self._http.close()

    def begin(self, back: str, onward: str) -> tuple[str, Pending]:
        """Where the browser goes."""
        pkce = new_pkce()
        pending = Pending(
            state=secrets.token_urlsafe(TOKEN_BYTES),
            nonce=secrets.token_urlsafe(TOKEN_BYTES),
            verifier=pkce.verifier,
            onward=onward,
        )
        asked = {
            "response_type": "code",
            "client_id": self._settings.client,
            "redirect_uri": back,
            "scope": "openid profile email",
            "state": pending.state,
            "nonce": pending.nonce,
            "code_challenge": pkce.challenge,
            "code_challenge_method": "S256",
        }
        where = self._endpoint("authorization_endpoint")
        return f"{where}{'&' if urlsplit(where).query else '?'}{urlencode(asked)}", pending

    def finish(self, pending: Pending, back: str, code: str, now: datetime) -> str:
        """The name of the person."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": back,
            "client_id": self._settings.client,
            "code_verifier": pending.verifier,
        }
        auth = (self._settings.client, self._secret) if self._secret else None
        said = self._json("POST", self._endpoint("token_endpoint"), data=form, auth=auth)
        token = said.get("id_token")
        if not isinstance(token, str):
            raise _not(f"it gave no ID token ({str(said.get('error', 'without a reason'))[:60]})")
        issuer, client = self._settings.issuer, self._settings.client
        try:
            claims = read_id_token(token, self._jwks(fresh=False), issuer, client, pending.nonce, now)
        except NotSignedOn:  # its keys may have turned since we looked
            claims = read_id_token(token, self._jwks(fresh=True), issuer, client, pending.nonce, now)
        return self._name(claims)

    def _name(self, claims: Mapping[str, Any]) -> str:
        wanted = self._settings.claim
        value = claims.get(wanted)
        if not isinstance(value, str) or not value:
            raise _not(f"its ID token has no {wanted}")
        if wanted == "email" and claims.get("email_verified") is False:
            raise _not("the address was never verified there")
        return value.lower()

    def _endpoint(self, name: str) -> str:
        with self._lock:
            if self._found is None or self._ticks() > self._found[0] + KEPT_SECONDS:
                issuer = self._settings.issuer
                said = self._json("GET", issuer.rstrip("/") + DISCOVERY)
                if said.get("issuer") != issuer:
                    raise _not("it is another issuer than [oidc] names")
                self._found = self._ticks(), said
            where = self._found[1].get(name)
        secure = urlsplit(self._settings.issuer).scheme
        if not isinstance(where, str) or urlsplit(where).scheme not in ("https", secure):
            raise _not(f"it has no {name} that is protected")
        return where

    def _jwks(self, *, fresh: bool) -> dict[str, Any]:
        where = self._endpoint("jwks_uri")
        with self._lock:
            age = KEYS_SECONDS if fresh else KEPT_SECONDS
            if self._keys is None or self._ticks() > self._keys[0] + age:
                self._keys = self._ticks(), self._json("GET", where)
            return self._keys[1]

    def _json(self, method: str, url: str, **more: Any) -> dict[str, Any]:
        try:
            with self._http.stream(method, url, headers={"accept": "application/json"}, **more) as answer:
                raw = b""
                for piece in answer.iter_bytes():
                    raw += piece
                    if len(raw) > ANSWER_BYTES_MAX:
                        raise _not("it says more than anybody should")
            return msgspec.json.decode(raw, type=dict[str, Any])
        except httpx.HTTPError as error:
            raise _not(f"it cannot be reached ({type(error).__name__})") from error
        except msgspec.MsgspecError as error:
            raise _not("what it says is no JSON") from error


def _secret(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read", do="Put the client's secret there.") from error


def _not(why: str) -> NotSignedOn:
    return NotSignedOn(
        f"the sign-on is not taken: {why}",
        do="Try again, or sign in another way; [oidc] of the settings names it.",
    )
