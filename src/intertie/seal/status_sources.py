"""Where the status of certificates can be had, and taking what was fetched there: the list or the answer must be by the
right authority, and no older than what is here already, for the way may be plain HTTP."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from intertie.model.errors import Refused, SettingsError
from intertie.model.ids import PartyId
from intertie.seal.certificates import Chain, TrustStore, thumbprint
from intertie.seal.ocsp import HashName, OcspAnswer, check_answer, ocsp_url, read_answer, write_question
from intertie.seal.revocation import RevocationList, crl_urls, read_list
from intertie.seal.x509_path import named


@dataclass(frozen=True)
class ListSource:
    """A list to be fetched: where, by which authority, and for whom it may count (None: for everybody)."""

    url: str
    issuer: x509.Certificate | None = field(repr=False)
    only: PartyId | None

    def take(self, data: bytes, trust: TrustStore) -> RevocationList:
        """The list, if it is by this authority and not older than one that is here; SettingsError otherwise.

        Without an authority (a URL from the settings) one of the roots must have signed it.
        """
        fresh = read_list(data, frozenset({self.only}) if self.only else None)
        signers = [self.issuer] if self.issuer is not None else trust.roots
        if not any(fresh.signed_by(signer) for signer in signers):
            raise SettingsError(f"the list at {self.url} is not signed by the authority that it is about")
        newest = max(
            (old for old in trust.lists if _same_kind(old, fresh)),
            key=lambda old: (old.since, old.number),
            default=None,
        )
        if newest is not None and (fresh.since, fresh.number) < (newest.since, newest.number):
            raise SettingsError(
                f"the list at {self.url} is of {fresh.since.isoformat()}: older than the one that is here",
                do="Somebody may be holding the newer one back: ask the authority.",
            )
        return fresh


class Asked(NamedTuple):
    """An OCSP request that is under way."""

    request: bytes
    nonce: bytes


@dataclass(frozen=True)
class AnswerSource:
    """A responder to be asked about one certificate."""

    url: str
    certificate: x509.Certificate = field(repr=False)
    issuer: x509.Certificate = field(repr=False)

    @property
    def name(self) -> str:
        """The certificate, as files and tables name it."""
        return thumbprint(self.certificate.public_bytes(Encoding.DER)).hex()

    def ask(self, hash_name: HashName) -> Asked:
        """The request to send."""
        return Asked(*write_question(self.certificate, self.issuer, hash_name=hash_name))

    def take(self, data: bytes, asked: Asked, trust: TrustStore, now: datetime) -> OcspAnswer:
        """The answer to be kept; SettingsError if it is not one to this request, or says nothing."""
        answer = read_answer(data)
        check_answer(answer, self.certificate, self.issuer, now=now, skew=trust.rules.skew, nonce=asked.nonce)
        if answer.state == "unknown":
            raise SettingsError(f"the responder at {self.url} does not know {named(self.certificate)}")
        kept = trust.answers_for(self.certificate, self.issuer)
        if any(answer.since < one.since for one in kept):
            raise SettingsError(f"the answer from {self.url} is older than the one that is here")
        return answer


Source = ListSource | AnswerSource


def sources(
    chains: Iterable[tuple[PartyId, Chain]], trust: TrustStore, now: datetime, more: Sequence[str] = ()
) -> list[Source]:
    """What can be asked about these parties' chains, each thing once. A chain that leads to no trusted root is left out:
    nobody is asked about a stranger's certificates. `more`: further URLs of lists."""
    found: dict[tuple[str, str], Source] = {}
    for url in more:
        found[url, ""] = ListSource(url, None, None)
    for party, chain in chains:
        try:
            path = trust.path(chain, party, now)
        except Refused:
            continue
        root = thumbprint(path[-1].public_bytes(Encoding.DER))
        only = party if root in trust.confined else None
        for certificate, issuer in pairwise(path):
            for url in crl_urls(certificate):
                if url.startswith(("http://", "https://")):
                    found.setdefault((url, only or ""), ListSource(url, issuer, only))
            place = ocsp_url(certificate)
            if place is not None and place.startswith(("http://", "https://")):
                source = AnswerSource(place, certificate, issuer)
                found.setdefault((place, source.name), source)
    return list(found.values())


def superseded(old: RevocationList, fresh: RevocationList) -> bool:
    """Whether the newer list says everything that the older one said: then the older one need not be kept."""
    return all(serial in fresh.entries for serial, entry in old.entries.items() if not entry.hold)


def _same_kind(one: RevocationList, other: RevocationList) -> bool:
    return (one.issuer, one.points, one.about, one.only) == (
        other.issuer,
        other.points,
        other.about,
        other.only,
    )
