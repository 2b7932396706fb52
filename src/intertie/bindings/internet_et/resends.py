"""Repeats: the same package again has one effect and gets the receipt of the first; numbers that are used wrongly are refused.

Each number that a partner used is a row here: that of the first package is the package's, that of a resend one without messages.
"""

from __future__ import annotations

import hashlib
import logging
from datetime import datetime

from intertie.bindings.internet_et.kept import KeptAnswers, KeptReceipt, keep_receipt, keep_signed, read_kept
from intertie.bindings.internet_et.proof import SCHEME, foreign_id
from intertie.bindings.internet_et.translator import InternetEt, Stamp, Verified
from intertie.formats.internet_et.codes import Code, EtError
from intertie.formats.internet_et.refnums import Sent, judge, number
from intertie.gateway.gateway import Gateway
from intertie.gateway.ports import ParcelRow
from intertie.gateway.translating.accept_file import accept_file
from intertie.gateway.translating.accept_translated import Arrival, Part, Said, accept_parts
from intertie.model.ids import ParcelId, derived_uuid7

LOG = logging.getLogger("intertie.internet_et")


def accept(gateway: Gateway, it: InternetEt, verified: Verified, stamp: Stamp, now: datetime) -> KeptReceipt:
    """Take a package in; its receipt. EtError for a number that is used wrongly; as `accept_file` besides."""
    terms = verified.foreign.internet_et
    resend = _judge(gateway, verified) if terms.refnums else None
    kept = accept_file(gateway, it.brought(verified, now), it.answer(verified, stamp), now)
    found = read_kept(kept)
    receipt = found.receipt if isinstance(found, KeptAnswers) else found
    if not isinstance(receipt, KeptReceipt):  # pragma: no cover - what `answer` writes
        raise EtError(Code.SYSTEM)
    if resend is not None:
        _note(gateway, verified, resend, receipt, now)
    return receipt


def _judge(gateway: Gateway, verified: Verified) -> str | None:
    """The number of a resend; None for a first package. EtError for one of the abuses that the manual names."""
    fields = verified.fields
    said = judge(
        fields["refnum"], fields["refnum-orig"], lambda one: _row(gateway, verified, one) is not None
    )
    now, first = number(fields["refnum"]), number(fields["refnum-orig"])
    if now is None or first is None:
        raise EtError(Code.NO_REFNUM if now is None else Code.NO_REFNUM_ORIG, Sent.MALFORMED)
    if said is Sent.FIRST:
        return None
    if said is Sent.ORIGINAL_UNKNOWN:  # the first one may have been lost on its way
        LOG.warning("internet et", extra={"partner": verified.partner.party, "why": said.value})
        return now
    # Exactly what came before under these numbers is no abuse: its receipt was lost.
    digest = hashlib.sha256(verified.signed.content).digest()
    for one in (first,) if said is Sent.RESEND else (now, first):
        row = _row(gateway, verified, one)
        if row is None or row.digest != digest:
            LOG.warning("internet et", extra={"partner": verified.partner.party, "why": said.value})
            raise EtError(Code.DUPLICATE_REFNUM, said)
    return now if said is Sent.RESEND else None


def _row(gateway: Gateway, verified: Verified, refnum: str) -> ParcelRow | None:
    name = foreign_id(verified.signed.names.sender, refnum)
    parcel = ParcelId(derived_uuid7(SCHEME, name))
    return gateway.store.find_incoming_parcel(verified.partner.party, parcel)


def _note(gateway: Gateway, verified: Verified, refnum: str, receipt: KeptReceipt, now: datetime) -> None:
    """Remember the number of a resend, with the receipt that it got."""
    again = keep_receipt(receipt)
    arrival = Arrival(
        partner=verified.partner.party,
        foreign_id=foreign_id(verified.signed.names.sender, refnum),
        created=now,
        key=verified.key,
        same=verified.signed.content,
        parts=lambda: [Part(keep_signed(verified.signed), lambda _: Said(None))],
    )
    accept_parts(gateway, arrival, lambda _: again, now)
