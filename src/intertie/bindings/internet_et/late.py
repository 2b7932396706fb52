"""Error Notifications: a partner tells within the hour that a package of ours, whose receipt had said `ok`, did not open."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime

from intertie.bindings.internet_et.kept import KeptReceipt, Names, keep_receipt, read_kept
from intertie.bindings.internet_et.replies import receipted
from intertie.formats.as2.flaws import As2Error
from intertie.formats.internet_et import receipt as receipts
from intertie.formats.internet_et.codes import Code, EtError
from intertie.formats.internet_et.form import Form
from intertie.formats.internet_et.notice import Notice, read_notice
from intertie.formats.internet_et.signed import read_signed
from intertie.gateway.gateway import Gateway, Partner
from intertie.gateway.ports import MessageRow, Query
from intertie.gateway.translating.accept_file import RECENT, ROWS_AT_ONCE
from intertie.gateway.translating.deliver_file import take_level
from intertie.gateway.translating.deliver_translated import Reply
from intertie.gateway.translating.foreign import Foreign, Level
from intertie.seal.pgp import PgpError, alive

LOG = logging.getLogger("intertie.internet_et")


def take_notice(gateway: Gateway, partner: Partner, foreign: Foreign, form: Form, now: datetime) -> None:
    """Note it, and refuse the message if it was not in the partner's books yet. EtError for what is none, or is about nothing."""
    terms = foreign.internet_et
    try:
        report = read_signed(form.kind, form.data or b"", alive(terms.keys, now), sha1=terms.sha1)
    except PgpError as error:
        raise EtError(Code.NOT_SIGNED) from error
    if report.signed is None:
        raise EtError(Code.NOT_SIGNED)
    notice = read_notice(report.body)
    if notice is None:
        raise EtError(Code.UNKNOWN_FILE, "not an error notification")
    row = next((one for one in _sent(gateway, partner) if _is_about(gateway, one, notice)), None)
    if row is None:
        raise EtError(Code.UNKNOWN_FILE, "it is about no package of ours")
    LOG.error("internet et", extra={"partner": partner.party, "message_id": row.id, "why": notice.said})
    names = Names(terms.code, form.fields["to"], row.id)
    kept = keep_receipt(KeptReceipt(names, form.kind, form.data or b""))
    reply = Reply(partner.party, row.id, False, f"Error Notification: {notice.said}", kept, now)
    take_level(gateway, foreign, reply, Level.RECEIPT, now)


def _sent(gateway: Gateway, partner: Partner) -> Iterator[MessageRow]:
    """The newest messages of ours to it: a notification comes within the hour."""
    after = max(0, sum(gateway.store.counts().values()) - RECENT)
    while True:
        rows = gateway.store.messages(Query(True, after, ROWS_AT_ONCE, partner.party, bodies=False))
        yield from rows
        if len(rows) < ROWS_AT_ONCE:
            return
        after = rows[-1].seq


def _is_about(gateway: Gateway, row: MessageRow, notice: Notice) -> bool:
    """By the receipt that it got."""
    parcel = gateway.store.parcel(row.parcel, outgoing=True) if row.parcel is not None else None
    if parcel is None:
        return False
    if parcel.receipt is None:  # its receipt was noted, and the format's answer is waited for
        return row.detail == receipted(receipts.Receipt(notice.time_c, "ok", notice.server, notice.trans))
    try:
        kept = read_kept(parcel.receipt)
    except As2Error:
        return False
    said = receipts.read(kept.body) if isinstance(kept, KeptReceipt) else None
    if said is None:
        return False
    return (said.time_c, said.server, said.trans) == (notice.time_c, notice.server, notice.trans)
