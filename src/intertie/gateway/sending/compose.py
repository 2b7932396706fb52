"""What follows from a document, a partner and who we are: the flow it goes on, and the agreement it is under."""

from __future__ import annotations

from datetime import datetime

import msgspec

from intertie.catalogue.flow import Flow
from intertie.gateway.gateway import Gateway, Partner
from intertie.gateway.sending.send_message import Outgoing, find_partner
from intertie.gateway.trading.trade_desk import Desk
from intertie.model.documents import DOCUMENTS
from intertie.model.errors import Code, Refused, SettingsError
from intertie.model.explain import why_unreadable
from intertie.model.ids import AgreementId, DocumentName, InterfaceCode, MessageId
from intertie.model.message import Mode
from intertie.model.office import SendMessage
from intertie.model.record import Record


def flow_for(
    gateway: Gateway,
    partner: Partner,
    document: DocumentName,
    interface: InterfaceCode | None = None,
    mode: Mode | None = None,
) -> Flow:
    """The one flow that the parties' roles, and what was said, leave. SettingsError with the choices if several do, or none."""
    flows = {
        (flow.interface, flow.mode): flow
        for flow in gateway.catalogue.find_flows(document, interface)
        if flow.sender in gateway.party.roles
        and flow.recipient in partner.roles
        and mode in (None, flow.mode)
    }
    if len(flows) == 1:
        return next(iter(flows.values()))
    if not flows:
        raise SettingsError(
            f"no flow carries {document} from {gateway.party.id} to {partner.party} by the roles they hold",
            do="`intertie interfaces matrix` shows who may send what to whom.",
        )
    choices = "; ".join(f"--interface {code} --mode {mode.value}" for code, mode in sorted(flows))
    raise SettingsError(f"{document} can go to {partner.party} in several ways", do=f"Choose: {choices}.")


def agreement_with(gateway: Gateway, partner: Partner, now: datetime) -> AgreementId | None:
    """The agreement in force, if there is exactly one; otherwise the check of the flow says what is missing."""
    try:
        return Desk(gateway, partner.party, now).agreement
    except (Refused, SettingsError):
        return None


def compose(
    gateway: Gateway, said: SendMessage, body: bytes, now: datetime, id: MessageId
) -> tuple[Outgoing, Flow]:
    """A message as the office asked for it, its body read from these bytes, and the flow that it goes on. Raises Refused,
    SettingsError."""
    partner = find_partner(gateway, said.to)
    if said.document not in DOCUMENTS:
        raise SettingsError(f"there is no document {said.document}", do="`intertie example` lists them.")
    flow = flow_for(gateway, partner, said.document, said.interface, said.mode)
    outgoing = Outgoing(
        id=id,
        body=_read(said.document, body),
        recipient=partner.party,
        interface=flow.interface,
        mode=flow.mode,
        verb=said.verb,
        agreement=said.agreement or (agreement_with(gateway, partner, now) if flow.agreement else None),
        conversation=said.conversation,
        in_reply_to=said.in_reply_to,
        expires=said.expires,
    )
    return outgoing, flow


def _read(document: DocumentName, body: bytes) -> Record:
    try:
        return msgspec.json.decode(body, type=DOCUMENTS[document].type)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(Code.SCHEMA, why_unreadable(error, "$.body")) from error
