"""Evidence whose algorithms lapse soon: which messages those are, and sealing it once more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import NamedTuple

from intertie.gateway.gateway import Gateway
from intertie.gateway.ports import MessageRow
from intertie.gateway.proving.export_evidence import export_row, is_translated, partner_of
from intertie.gateway.proving.proof_ports import SignedParcel
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
# Of one page for people: each parcel costs the reading of two signatures' headers, and each line a row.
PARCELS_OF_A_PAGE = 1000
LINES_OF_A_PAGE = 200


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
            yield from _of_parcel(gateway, parcel, last)
        after = page[-1].number


def _of_parcel(gateway: Gateway, parcel: SignedParcel, last: date) -> list[Lapsing]:
    end = _end(parcel, gateway.policy)
    if end is None or end[0] > last:
        return []
    rows = gateway.store.parcel_messages(parcel.id, outgoing=parcel.outgoing, partner=parcel.partner)
    return [Lapsing(row, *end) for row in rows]


class LapsingPage(NamedTuple):
    """Messages whose proof ends, among so many parcels; `next` is where to go on, None at the newest parcel."""

    lines: tuple[Lapsing, ...]
    left_out: int  # of these parcels
    looked: int
    next: int | None


def lapsing_page(gateway: Gateway, within: timedelta, now: datetime, after: int = 0) -> LapsingPage:
    """As `lapsing`, of the parcels after a place, as many as are looked at for one page."""
    last, found, looked, place = now.date() + within, list[Lapsing](), 0, after
    while looked < PARCELS_OF_A_PAGE and (
        page := gateway.store.signed_parcels(after=place, limit=min(PAGE, PARCELS_OF_A_PAGE - looked))
    ):
        for parcel in page:
            found += _of_parcel(gateway, parcel, last)
        looked, place = looked + len(page), page[-1].number
    more = looked == PARCELS_OF_A_PAGE and bool(gateway.store.signed_parcels(after=place, limit=1))
    shown = tuple(found[:LINES_OF_A_PAGE])
    return LapsingPage(shown, len(found) - len(shown), looked, place if more else None)


def renewed_name(found: Lapsing) -> str:
    """The name of its file: two partners may have chosen the same id."""
    way = "to" if found.row.outgoing else "from"
    return f"{found.row.id}-{way}-{partner_of(found.row)}.json"


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
