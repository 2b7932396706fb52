"""Acts on messages as the office asks for them. Each can be done again with the same stamp: its effect is one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import msgspec

from intertie.exchange.outbound import ResentBefore, State
from intertie.gateway.gateway import Gateway
from intertie.gateway.office.office_once import Stamp
from intertie.gateway.office.office_rights import Roles, check_category
from intertie.gateway.ports import Mark, MessageRow
from intertie.gateway.sending.cancel import cancel
from intertie.gateway.sending.compose import compose
from intertie.gateway.sending.resend import resend
from intertie.gateway.sending.send_message import send
from intertie.gateway.trading.trade_desk import Desk
from intertie.model.errors import IntertieError
from intertie.model.ids import AgreementId, MessageId, PartyId
from intertie.model.office import Resend, SendMessage


class NotHere(IntertieError):
    """What was asked for is not here."""


class NotTakenBack(IntertieError):
    """A message that has left, or is done, is not taken back."""


class _Raw(msgspec.Struct):
    """The body of a request to send, to the byte: a number in it must stay the decimal that was written."""

    body: msgspec.Raw


def find_message(
    gateway: Gateway, id: MessageId, *, outgoing: bool | None = None, body: bool = False
) -> MessageRow:
    """The message; NotHere."""
    row = gateway.store.message(id, outgoing=outgoing, body=body)
    if row is None:
        what = "was sent from here" if outgoing else "is here"
        raise NotHere(f"no message {id} {what}", do="List messages, and look for its id.")
    return row


def was_queued(gateway: Gateway, stamp: Stamp) -> bool:
    """Whether this act, begun before, had already queued its message when its process ended."""
    return stamp.again and gateway.store.message(stamp.message, outgoing=True, body=False) is not None


def send_document(
    gateway: Gateway, roles: Roles, said: SendMessage, request: bytes, stamp: Stamp
) -> list[MessageId]:
    """Send one document. NotAllowed if it is not this role's to send; Refused by the rules; SettingsError."""
    body = bytes(msgspec.json.decode(request, type=_Raw).body)
    outgoing, flow = compose(gateway, said, body, stamp.at, stamp.message)
    check_category(roles, flow.category)
    if was_queued(gateway, stamp):
        return [stamp.message]
    return send(gateway, [outgoing], stamp.at)


def take_back(gateway: Gateway, roles: Roles, id: MessageId, stamp: Stamp) -> MessageRow:
    """Cancel a message that is still queued; the row as it is then. NotTakenBack."""
    row = find_message(gateway, id, outgoing=True)
    _check_role(gateway, roles, row)
    if not cancel(gateway, id, stamp.at) and not (stamp.again and row.state is State.CANCELLED):
        row = find_message(gateway, id, outgoing=True)
        left = "it has left already" if row.state is State.SENDING else f"it is {row.state.value}"
        raise NotTakenBack(
            f"message {id} is not taken back: {left}",
            do="If its document can be cancelled, send it with the verb `cancel`.",
        )
    return find_message(gateway, id, outgoing=True)


def send_again(gateway: Gateway, roles: Roles, id: MessageId, how: Resend, stamp: Stamp) -> list[MessageId]:
    """Send a dead letter's content again. Raises as `resend` does."""
    _check_role(gateway, roles, find_message(gateway, id, outgoing=True))
    life = None if how.hours is None else timedelta(hours=how.hours)
    try:
        return [resend(gateway, id, stamp.at, life=life, anyway=how.may_have_arrived)]
    except ResentBefore:
        again = gateway.store.marks([id]).get(id, Mark()).resent_as
        if stamp.again and again is not None:
            return [again]
        raise


def at_desk(
    gateway: Gateway,
    partner: PartyId,
    stamp: Stamp,
    act: Callable[[Desk], MessageId | Sequence[MessageId]],
    agreement: AgreementId | None = None,
) -> list[MessageId]:
    """An act of the trade that makes one message, or the first of several, under the id of its stamp."""
    if was_queued(gateway, stamp):
        return [stamp.message]
    done = act(Desk(gateway, partner, stamp.at, agreement, message=stamp.message))
    return [done] if isinstance(done, str) else list(done)


def _check_role(gateway: Gateway, roles: Roles, row: MessageRow) -> None:
    """Who may send a document may repair its messages."""
    for flow in gateway.catalogue.find_flows(row.document, row.interface):
        check_category(roles, flow.category)
        return
