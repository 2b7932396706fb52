"""One message: its life as a timeline, what it says, its evidence; take it back, send it again."""

from __future__ import annotations

import msgspec

from intertie.exchange.outbound import State
from intertie.gateway.office.office_acts import find_message, send_again, take_back
from intertie.gateway.office.office_once import Stamp
from intertie.gateway.office.office_rights import Right, may_send
from intertie.gateway.proving.export_evidence import export_row
from intertie.gateway.sending.resend import why_dead
from intertie.gateway.views.view_message import read_life
from intertie.model.ids import UUID7, MessageId
from intertie.model.message import read_envelope
from intertie.model.office import Resend
from intertie.portal.pages.reading import FieldError, Fields
from intertie.portal.pages.visit import Done, Download, View, Visit
from intertie.portal.pages.web import act, page

ONE = "/messages/{message:str}"
# What is longer is read from the downloaded file: a browser that lays out megabytes stands still.
SHOWN_MAX = 64 * 1024
# Some days more to send a dead letter again: what is shown as a choice.
HOURS_MAX = 24 * 183


@page(ONE, Right.LOOK)
def message_page(visit: Visit) -> View:
    """The page. What it says is shown to those who may read."""
    reads = visit.may(Right.READ)
    row = find_message(visit.gateway, id_of(visit), body=reads)
    flows = visit.gateway.catalogue.find_flows(row.document, row.interface)
    ours = bool(flows) and may_send(visit.roles, flows[0].category) and visit.may(Right.REPAIR)
    dead = row.outgoing and bool(why_dead(row))
    life = read_life(visit.gateway, row)
    header, body, long = "", "", False
    if reads and row.body:
        envelope = read_envelope(row.body)
        header, _ = _laid_out(msgspec.json.encode(envelope.header))
        body, long = _laid_out(envelope.body)
    return View(
        "message.html",
        f"{row.document.replace('_', ' ')} {'to ' + row.recipient if row.outgoing else 'from ' + row.sender}",
        {
            "row": row,
            "life": life,
            "header": header,
            "body": body,
            "long": long,
            "reads": reads,
            "flow": flows[0] if flows else None,
            "can_cancel": ours and row.outgoing and row.state is State.QUEUED,
            "can_resend": ours and dead and life.resent_as is None,
            "can_prove": visit.may(Right.PROVE),
        },
    )


@page(ONE + "/evidence", Right.PROVE)
def message_evidence(visit: Visit) -> Download:
    """The evidence file."""
    row = find_message(visit.gateway, id_of(visit), body=True)
    return Download(f"evidence-{row.id}.json", export_row(visit.gateway, row, visit.now), "application/json")


@page(ONE + "/body", Right.READ)
def message_body(visit: Visit) -> Download:
    """What it says, as it was sent, to the byte."""
    row = find_message(visit.gateway, id_of(visit), body=True)
    content = read_envelope(row.body).body if row.body else b""
    return Download(f"{row.document}-{row.id}.json", content, "application/json")


@act(ONE + "/cancel", Right.REPAIR)
def take_message_back(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """A message that is still queued."""
    id = id_of(visit)
    take_back(visit.gateway, visit.roles, id, stamp)
    return Done(f"/messages/{id}", "Taken back: it is not sent.", id)


@act(ONE + "/resend", Right.REPAIR)
def send_message_again(visit: Visit, form: Fields, stamp: Stamp) -> Done:
    """A dead letter's content, once, as a new message."""
    id = id_of(visit)
    how = Resend(
        may_have_arrived=form.maybe("may_have_arrived") == "yes",
        hours=float(form.number("hours", 1, HOURS_MAX)) if "hours" in form else None,
    )
    (made,) = send_again(visit.gateway, visit.roles, id, how, stamp)
    return Done(f"/messages/{made}", "Queued again, as this message.", f"{id} as {made}")


def id_of(visit: Visit) -> MessageId:
    """The id in the path; FieldError if it is none."""
    text = visit.at["message"]
    if Fields([("id", text)]).matching("id", UUID7, "the message's id") is None:
        raise FieldError("there is no such message", do="Look for it in Messages.")
    return MessageId(text)


def _laid_out(raw: bytes) -> tuple[str, bool]:
    """JSON, indented, up to so much; whether that was not all."""
    text = msgspec.json.format(raw, indent=2).decode()
    return text[:SHOWN_MAX], len(text) > SHOWN_MAX


ROUTES = [message_page, message_evidence, message_body, take_message_back, send_message_again]
