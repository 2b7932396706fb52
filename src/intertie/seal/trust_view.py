"""What lies in the trust folder, line by line, for people."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from cryptography import x509

from intertie.model.errors import SettingsError
from intertie.model.ids import PartyId
from intertie.seal.algorithms import is_post_quantum
from intertie.seal.certificates import TrustStore, read_roots_of
from intertie.seal.ocsp import read_answer
from intertie.seal.revocation import RevocationList, read_lists


class TrustLine(NamedTuple):
    """One root, list or answer. `state` is one word, `detail` the rest."""

    file: str
    kind: str  # root, list, answer
    name: str
    only: PartyId | None
    since: datetime
    until: datetime
    state: str
    detail: str


def describe_pem(
    data: bytes, file: str, only: PartyId | None, trust: TrustStore, now: datetime
) -> Iterator[TrustLine]:
    """The roots and lists of one PEM file; SettingsError if it cannot be read."""
    for root in read_roots_of(data):
        since, until = root.not_valid_before_utc, root.not_valid_after_utc
        state = "valid" if since <= now <= until else "not valid now"
        family = "ML-DSA" if is_post_quantum(root.public_key()) else "classical"
        yield TrustLine(file, "root", root.subject.rfc4514_string(), only, since, until, state, family)
    for one in read_lists(data):
        yield _list_line(one, file, only, trust, now)


def describe_answer(data: bytes, file: str, trust: TrustStore, now: datetime) -> TrustLine:
    """One OCSP answer; SettingsError if it cannot be read."""
    answer = read_answer(data)
    name = f"certificate {answer.serial:x}"
    state = "fresh" if answer.fresh(now, trust.rules.skew) else "out of date"
    return TrustLine(file, "answer", name, None, answer.since, answer.until, state, answer.state)


def _list_line(
    one: RevocationList, file: str, only: PartyId | None, trust: TrustStore, now: datetime
) -> TrustLine:
    signer = next((root for root in trust.roots if one.signed_by(root)), None)
    name = _name(one)
    age = now - one.since
    state = "fresh" if now <= one.until + trust.rules.skew else "out of date"
    by = "by a trusted root" if signer is not None else "by an authority below a root, or nobody we trust"
    detail = f"number {one.number}, {len(one.entries)} revoked, {max(age.days, 0)} days old, {by}"
    return TrustLine(file, "list", name, only, one.since, one.until, state, detail)


def _name(one: RevocationList) -> str:
    try:
        return x509.load_der_x509_crl(one.der).issuer.rfc4514_string()
    except ValueError as error:
        raise SettingsError(f"a revocation list's name cannot be read: {error}") from error
