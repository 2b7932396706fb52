"""Passkeys (WebAuthn level 3), by a kept library: a key pair in a person's device, bound to the address of this portal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import webauthn
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from intertie.model.errors import IntertieError

_SELECTION = AuthenticatorSelectionCriteria(
    resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
)


class NoPasskey(IntertieError):
    """What the browser sent is no answer of a passkey to our challenge."""


class Site(NamedTuple):
    """Where the portal is, as the browser sees it: passkeys of one address open no other."""

    host: str  # without port
    origin: str


class Registered(NamedTuple):
    """A new passkey."""

    id: bytes
    public_key: bytes
    uses: int


def ask_new(site: Site, person: str, handle: bytes, known: Sequence[bytes]) -> tuple[bytes, dict[str, Any]]:
    """The challenge, and what the browser is asked to make; not a second one in a device that has one of this person's."""
    options = webauthn.generate_registration_options(
        rp_id=site.host,
        rp_name="Intertie",
        user_name=person,
        user_id=handle,
        authenticator_selection=_SELECTION,
        exclude_credentials=[PublicKeyCredentialDescriptor(id=one) for one in known],
    )
    return options.challenge, msgspec.json.decode(webauthn.options_to_json(options))


def read_new(site: Site, challenge: bytes, said: Mapping[str, Any]) -> Registered:
    """The passkey that was made; NoPasskey."""
    try:
        made = webauthn.verify_registration_response(
            credential=dict(said),
            expected_challenge=challenge,
            expected_rp_id=site.host,
            expected_origin=site.origin,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError) as error:
        raise _refused(error) from error
    return Registered(made.credential_id, made.credential_public_key, made.sign_count)


def ask_known(site: Site) -> tuple[bytes, dict[str, Any]]:
    """The challenge, and what the browser is asked: any passkey of this site, its owner verified by the device."""
    options = webauthn.generate_authentication_options(
        rp_id=site.host, user_verification=UserVerificationRequirement.REQUIRED
    )
    return options.challenge, msgspec.json.decode(webauthn.options_to_json(options))


def said_id(said: Mapping[str, Any]) -> bytes:
    """Which passkey an answer says to be of; NoPasskey."""
    text = said.get("id")
    if not isinstance(text, str) or not text:
        raise NoPasskey("the browser sent no passkey", do="Try again, or use the password.")
    try:
        return webauthn.base64url_to_bytes(text)
    except ValueError as error:
        raise _refused(error) from error


def read_known(site: Site, challenge: bytes, said: Mapping[str, Any], public_key: bytes, count: int) -> int:
    """The passkey's new count of uses; NoPasskey, also where the count went back: the key was copied."""
    try:
        done = webauthn.verify_authentication_response(
            credential=dict(said),
            expected_challenge=challenge,
            expected_rp_id=site.host,
            expected_origin=site.origin,
            credential_public_key=public_key,
            credential_current_sign_count=count,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError) as error:
        raise _refused(error) from error
    return done.new_sign_count


def _refused(error: Exception) -> NoPasskey:
    return NoPasskey(
        f"the passkey's answer does not fit: {type(error).__name__}", do="Try again, or use the password."
    )
