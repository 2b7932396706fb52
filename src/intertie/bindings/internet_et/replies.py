"""What a partner says of a package of ours: its receipt, on the same connection."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from intertie.bindings.internet_et.kept import KeptReceipt, Names, keep_receipt
from intertie.formats.internet_et import receipt as receipts
from intertie.formats.internet_et.signed import read_signed
from intertie.formats.internet_et.terms import InternetEtTerms, Quirk
from intertie.model.errors import PartnerError
from intertie.seal.pgp import PgpError, alive

# How far a clock may be from the true time (Internet ET); ours is held by the machine.
CLOCK_SECONDS = 5
RECEIPTED = "receipted:"


class Told(NamedTuple):
    """A receipt that was verified, and what is kept of it."""

    receipt: receipts.Receipt
    received: datetime  # when they had the last byte, by their clock
    kept: bytes


def read_told(kind: str, body: bytes, about: Names, terms: InternetEtTerms, ours: str, now: datetime) -> Told:
    """The receipt of the package that `about` names; PartnerError if it is none, or proves nothing: the package goes again."""
    try:
        report = read_signed(kind, body, alive(terms.keys, now), sha1=terms.sha1)
    except PgpError as error:
        raise PartnerError(f"a receipt that proves nothing: {error.why}") from error
    if report.signed is None and Quirk.UNSIGNED_RECEIPT not in terms.quirks:
        raise PartnerError("a receipt that is not signed")
    said = receipts.read(report.body)
    if said is None:
        raise PartnerError("an answer that is no receipt")
    kept = keep_receipt(KeptReceipt(Names(terms.code, ours, about.name), kind, body))
    return Told(said, _time(said.time_c, terms), kept)


def _time(text: str, terms: InternetEtTerms) -> datetime:
    try:
        return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=ZoneInfo(terms.zone))
    except ValueError as error:
        raise PartnerError("a receipt whose time is none") from error


def receipted(receipt: receipts.Receipt) -> str:
    """What is noted of a message whose receipt came, while the format's answer is waited for: an error told later names it so."""
    return f"{RECEIPTED} time-c={receipt.time_c} server-id={receipt.server} trans-id={receipt.trans}"


def clocks_apart(told: Told, began: datetime, ended: datetime) -> float:
    """By how many seconds their clock is surely wrong, if by more than it may be; else 0."""
    allowed = timedelta(seconds=CLOCK_SECONDS)
    second = timedelta(seconds=1)  # their time has no fractions
    if told.received + second < began - allowed:
        return (told.received - began).total_seconds()
    if told.received > ended + allowed:
        return (told.received - ended).total_seconds()
    return 0.0
