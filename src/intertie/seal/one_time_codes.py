"""One-time codes of an authenticator (RFC 6238: SHA-1, six digits, thirty seconds, which every authenticator app speaks)."""

from __future__ import annotations

import hmac
from datetime import datetime

import pyotp

STEP_SECONDS = 30
# A code of the step before and of the one after counts, too: clocks of telephones differ by seconds, and typing takes some.
STEPS_ASIDE = 1


def new_secret() -> str:
    """A secret of 160 bits (RFC 4226, 4: R6), in base 32."""
    return pyotp.random_base32(32)


def enrolment_url(secret: str, person: str, issuer: str) -> str:
    """What the authenticator reads as a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=person, issuer_name=issuer)


def matching_step(secret: str, code: str, now: datetime, after: int) -> int | None:
    """The step whose code this is; None if it is none, or not after the last one used: a code counts once (RFC 6238, 5.2)."""
    said = "".join(code.split())
    if not (said.isascii() and said.isdigit() and len(said) == 6):
        return None
    totp = pyotp.TOTP(secret)
    here = int(now.timestamp()) // STEP_SECONDS
    for step in range(here - STEPS_ASIDE, here + STEPS_ASIDE + 1):
        if hmac.compare_digest(totp.generate_otp(step), said) and step > after:
            return step
    return None
