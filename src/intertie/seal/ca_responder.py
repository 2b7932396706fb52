"""The trial authority answers: OCSP requests, and its present revocation lists."""

from __future__ import annotations

from datetime import datetime, timedelta

from intertie.model.errors import SettingsError
from intertie.seal.ca_register import Register
from intertie.seal.issuing import Revocation, no_answer, read_question, sign_answer
from intertie.seal.revocation import read_list
from intertie.seal.trial_ca import FAMILIES, TrialCa

# In a trial a revocation should be seen soon; in operation an authority says for how long its answers hold.
ANSWER_LIFE = timedelta(hours=1)
# A week: what authorities commonly give, and long enough for a responder that nobody starts on a weekend.
LIST_LIFE = timedelta(days=7)


def answer_request(ca: TrialCa, register: Register, request: bytes, now: datetime) -> bytes:
    """The OCSP answer (DER) to a request (DER); what cannot be answered gets an OCSP error. SettingsError if the register
    cannot be read."""
    try:
        question = read_question(request)
    except SettingsError:
        return no_answer(unreadable=True)
    for family in FAMILIES:
        issuer = ca.issuer(family)
        if question.asks(issuer):
            row = register.find(question.serial)
            state = (row.revocation or True) if row is not None and row.family == family else False
            return sign_answer(question, issuer, state, now, now + ANSWER_LIFE)
    return no_answer(unreadable=False)


def new_lists(
    ca: TrialCa, register: Register, now: datetime, life: timedelta = LIST_LIFE
) -> dict[str, bytes]:
    """New revocation lists, family by family, as PEM; SettingsError if the register cannot be read or written."""
    return ca.lists(register.revocations(), register.next_number(now), now, now + life)


class PresentLists:
    """Revocation lists for whoever asks: new ones when something was revoked, or when half of their life is over."""

    def __init__(self, ca: TrialCa, register: Register) -> None:
        self._ca = ca
        self._register = register
        self._made: tuple[dict[str, list[Revocation]], datetime, dict[str, bytes]] | None = None

    def at(self, now: datetime) -> dict[str, bytes]:
        """Family by family, in DER; SettingsError if the register cannot be used."""
        revoked = self._register.revocations()
        if self._made is None or self._made[0] != revoked or now - self._made[1] > LIST_LIFE / 2:
            fresh = new_lists(self._ca, self._register, now)
            self._made = revoked, now, {family: read_list(pem).der for family, pem in fresh.items()}
        return self._made[2]
