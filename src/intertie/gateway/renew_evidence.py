"""Evidence whose algorithms lapse soon: which messages those are, and sealing it once more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import NamedTuple

from intertie.gateway.export_evidence import export_row, is_translated
from intertie.gateway.gateway import Gateway
from intertie.gateway.ports import MessageRow
from intertie.gateway.proof_ports import SignedParcel
from intertie.seal.algorithm_table import algorithm, proof_until
from intertie.seal.evidence_file import NONE, verify_file
from intertie.seal.jws import read_jws
from intertie.seal.parcel import MANIFEST_BYTES_MAX, MANIFEST_TYP
from intertie.seal.policy_settings import PolicySettings
from intertie.seal.profile import Profile, profile_of_algorithms
from intertie.seal.receipt import RECEIPT_BYTES_MAX, RECEIPT_TYP
from intertie.seal.renewal import Stamper, build_renewed
from intertie.seal.timestamp import TsaTrust
from intertie.seal.translated_evidence import FOREIGN, ForeignVerifier

# Parcels in memory at once while the store is searched; a receipt may have 8 MiB, the usual one 10 KB.
PAGE = 100


class Lapsing(NamedTuple):
    """A message whose proof ends on this day, because manifest or receipt has only these signatures."""

    row: MessageRow
    until: date
    profile: str


def lapsing(gateway: Gateway, within: timedelta, now: datetime) -> Iterator[Lapsing]:
    """Messages of the store whose proof ends within this time, or has ended, in the order of their parcels."""
    last = now.date() + within
    after = 0
    while page := gateway.store.signed_parcels(after=after, limit=PAGE):
        for parcel in page:
            end = _end(parcel, gateway.policy)
            if end is not None and end[0] <= last:
                rows = gateway.store.parcel_messages(
                    parcel.id, outgoing=parcel.outgoing, partner=parcel.partner
                )
                yield from (Lapsing(row, *end) for row in rows)
        after = page[-1].number


def renew(
    gateway: Gateway,
    raw: bytes,
    profile: Profile,
    now: datetime,
    tsa: TsaTrust,
    stamper: Stamper | None = None,
    verifiers: Mapping[str, ForeignVerifier] = NONE,
) -> bytes:
    """The file around an evidence file that verifies now, under our trust. Raises EvidenceError if it does not, or not any
    more: what has lapsed cannot be renewed."""
    verify_file(raw, gateway.trust, now, tsa, verifiers=verifiers)
    return build_renewed(raw, gateway.keys, now, profile, stamper)


def renew_message(
    gateway: Gateway,
    row: MessageRow,
    profile: Profile,
    now: datetime,
    tsa: TsaTrust,
    stamper: Stamper | None = None,
    verifiers: Mapping[str, ForeignVerifier] = NONE,
) -> bytes:
    """The evidence of a message, exported and renewed at once."""
    return renew(gateway, export_row(gateway, row, now), profile, now, tsa, stamper, verifiers)


def _end(parcel: SignedParcel, policy: PolicySettings) -> tuple[date, str] | None:
    """The day on which the first of the parcel's signatures ends, and which; None if no end is known."""
    if is_translated(parcel.manifest):  # signed as its protocol signs, which counts as classical
        end = proof_until(FOREIGN)
        return None if end is None else (end, parcel.manifest.decode())
    profiles = [_profile(parcel.manifest, MANIFEST_TYP, MANIFEST_BYTES_MAX)]
    if parcel.receipt is not None:
        profiles.append(_profile(parcel.receipt, RECEIPT_TYP, RECEIPT_BYTES_MAX))
    ends = [(day, profile.name) for profile in profiles for day in _days(profile, policy)]
    return min(ends) if ends else None


def _days(profile: Profile, policy: PolicySettings) -> list[date]:
    """When a profile's signatures prove nothing any more: as anybody judges who verifies, and as our settings say. The
    longest-lived signature of a profile carries the proof."""
    ours = [policy.last_day(algorithm(name)) for name in profile.signatures]
    ends = [proof_until(profile), None if None in ours else max(day for day in ours if day is not None)]
    return [day for day in ends if day is not None]


def _profile(signed: bytes, typ: str, limit: int) -> Profile:
    return profile_of_algorithms(read_jws(signed, typ, limit=limit).algorithms)
