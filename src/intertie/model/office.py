"""What goes over the office API: the forms of its requests and answers. Gateway and client read the same types.

Requests are records: strict. Answers are plain structs, so that a client bears a field that a newer gateway adds.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from intertie.model.agreement import ContractAction, DefaultReason
from intertie.model.contract import ObjectionReason, Service
from intertie.model.dispatch import CancelReason, DispatchAnswer, RefusalReason, ReportKind
from intertie.model.ids import (
    AggregationRef,
    AgreementRef,
    ConversationRef,
    DocumentRef,
    InterfaceRef,
    MessageRef,
    Name,
    PartyName,
    PointRef,
    ShortText,
    Text,
)
from intertie.model.interval import Instant, IntervalSeries, Window
from intertie.model.message import Mode, Verb
from intertie.model.record import Record

# A page is read into memory whole: five hundred lines of a list are some 300 KB.
PAGE_MAX = 500
PAGE = 100
# A client makes it up, as a UUID; long enough for any, short enough for an index.
Key = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:-]{8,64}(?!\n)$")]
Document = dict[str, Any]


class SendMessage(Record, frozen=True, kw_only=True):
    """A document for a partner. What is left out follows from document, partner and flow."""

    to: PartyName
    document: DocumentRef
    body: Document
    interface: InterfaceRef | None = None
    mode: Mode | None = None
    verb: Verb = Verb.CREATED
    agreement: AgreementRef | None = None
    conversation: ConversationRef | None = None
    in_reply_to: MessageRef | None = None
    expires: Instant | None = None


class Resend(Record, frozen=True, kw_only=True):
    """A dead letter again. `may_have_arrived`: also if the partner may have it."""

    may_have_arrived: bool = False
    # Half a year: longer is a mistake.
    hours: Annotated[float, Meta(gt=0, le=24 * 183)] | None = None


class Sign(Record, frozen=True, kw_only=True):
    """Our signature under the newest text of a contract."""

    signatory: ShortText = ""


class Notice(Record, frozen=True, kw_only=True):
    """A notice under a contract."""

    action: ContractAction
    reason: DefaultReason | None = None
    text: Text = ""


class AnswerDeal(Record, frozen=True, kw_only=True):
    """Accept a confirmation, or object to it for a reason."""

    objection: ObjectionReason | None = None
    detail: Text = ""


class Withdraw(Record, frozen=True, kw_only=True):
    """Nothing can be done any more where something was declared."""

    aggregation: AggregationRef
    service: Service | None = None
    point: PointRef | None = None
    within: Window | None = None


class AnswerDispatch(Record, frozen=True, kw_only=True):
    """The answer to an instruction; `committed_kw` with `partial`, `reason` with what is not all."""

    answer: DispatchAnswer
    reason: RefusalReason | None = None
    committed_kw: IntervalSeries | None = None
    text: Text = ""


class ReportDispatch(Record, frozen=True, kw_only=True):
    """A dispatch has begun, is done, or had to be given up."""

    report: ReportKind
    at: Instant
    reason: RefusalReason | None = None
    achieved_kw: IntervalSeries | None = None
    ders: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    text: Text = ""


class CancelDispatch(Record, frozen=True, kw_only=True):
    """An instruction is taken back from a time on."""

    reason: CancelReason
    effective: Instant
    replaced_by: Name | None = None
    text: Text = ""


class Measured(Record, frozen=True, kw_only=True):
    """What is measured during a dispatch."""

    power_kw: IntervalSeries
    ders_reporting: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer is made of."""


class Problem(_Answer, frozen=True, kw_only=True):
    """RFC 9457. `code` names the error, `do` says what to do next, `retry` whether the same request may go well later."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    do: str = ""
    retry: bool = False


class Queued(_Answer, frozen=True, kw_only=True):
    """The messages that an act queued; they are on disk."""

    messages: list[str]


class MessageLine(_Answer, frozen=True, kw_only=True, rename={"sender": "from", "recipient": "to"}):
    """One message without its body. `seq` is its place in this gateway's store."""

    seq: int
    id: str
    direction: Literal["in", "out"]
    sender: str
    recipient: str
    interface: str
    document: str
    mode: str
    state: str
    detail: str
    agreement: str | None
    conversation: str | None
    created: datetime
    expires: datetime
    priority: int
    at: datetime
    done_at: datetime | None
    attempts: int
    next_attempt: datetime | None
    parcel: str | None
    leaf: str
    bytes: int
    erased: datetime | None


class Message(_Answer, frozen=True, kw_only=True):
    """One message. `header` and `body` are None where no body is kept any more; `receipt` is the partner's, a JWS."""

    line: MessageLine
    header: Document | None
    body: Document | None
    receipt: str | None
    escalated: datetime | None = None
    resends: str | None = None
    resent_as: str | None = None


class MessagePage(_Answer, frozen=True, kw_only=True):
    """Messages in the order of seq. `next` is the cursor of what comes after; None: that was all there is now."""

    items: list[MessageLine]
    next: int | None


class SearchPage(_Answer, frozen=True, kw_only=True):
    """Messages that were looked for, newest first. `next` is the cursor of what is older, also where this page is short
    or empty: so far was looked. None: nothing is left to look at."""

    items: list[MessageLine]
    next: int | None


class AgreementLine(_Answer, frozen=True, kw_only=True):
    """An agreement on paper."""

    id: str
    start: datetime
    end: datetime | None


class PartnerLine(_Answer, frozen=True, kw_only=True):
    """A partner and how it stands."""

    party: str
    name: str
    roles: list[str]
    url: str
    state: Literal["live", "testing", "suspended"]
    agreements: list[AgreementLine]
    waiting: int  # messages to it without a receipt
    descriptor: int


class PartnerPage(_Answer, frozen=True, kw_only=True):
    """Partners by name; `next` is the cursor."""

    items: list[PartnerLine]
    next: str | None


class FlowLine(_Answer, frozen=True, kw_only=True, rename={"sender": "from", "recipient": "to"}):
    """Who may send which document to whom."""

    interface: str
    document: str
    category: str
    sender: str
    recipient: str
    mode: str
    priority: int
    agreement: bool
    latency_seconds: int


class FlowPage(_Answer, frozen=True, kw_only=True):
    """Flows; `next` is the cursor."""

    items: list[FlowLine]
    next: int | None


class DocumentLine(_Answer, frozen=True, kw_only=True):
    """A kind of document."""

    name: str
    version: int
    family: str
    title: str


class DocumentPage(_Answer, frozen=True, kw_only=True):
    """Documents by name; `next` is the cursor."""

    items: list[DocumentLine]
    next: str | None


class Item(_Answer, frozen=True, kw_only=True):
    """One thing in the book: its name, its state now, the document that it stands in, and what else is known of it."""

    name: str
    state: str
    document: Document
    more: Document


class VoidLine(_Answer, frozen=True, kw_only=True, rename={"sender": "from"}):
    """A message that both hold and that has no effect, by a rule."""

    message: str
    sender: str
    document: str
    rule: str
    detail: str


class VoidPage(_Answer, frozen=True, kw_only=True):
    """All of them: there are few."""

    items: list[VoidLine]
    next: str | None


class Book(_Answer, frozen=True, kw_only=True):
    """What both parties hold. `digest` must be equal on both sides."""

    partner: str
    contracts: list[Item]
    confirmations: list[Item]
    registrations: list[Item]
    availability: list[Item]
    needs: list[Item]
    offers: list[Item]
    orders: list[Item]
    outages: list[Item]
    dispatches: list[Item]
    void: list[VoidLine]
    messages: int
    unread: int
    digest: str


class Digest(_Answer, frozen=True, kw_only=True):
    """What both sides compare."""

    partner: str
    messages: int
    unread: int
    digest: str


class LackLine(_Answer, frozen=True, kw_only=True):
    """A DER that can do less than was accepted of it."""

    der: str
    point: str
    kw: str
    of_kw: str
    why: str


class ShortLine(_Answer, frozen=True, kw_only=True, rename={"start": "from"}):
    """A deal or a dispatch that is short for it, from a quarter of an hour on."""

    what: str
    start: datetime
    agreed_kw: str
    able_kw: str
    short_kw: str
    why: list[str]


class EffectsNow(_Answer, frozen=True, kw_only=True):
    """What outages and suspensions do to what was agreed."""

    lacks: list[LackLine]
    short: list[ShortLine]


class KeyLine(_Answer, frozen=True, kw_only=True):
    """An API key, without the key."""

    name: str
    role: str
    made: datetime
    expires: datetime
    revoked: datetime | None


class KeyPage(_Answer, frozen=True, kw_only=True):
    """API keys by name; `next` is the cursor."""

    items: list[KeyLine]
    next: str | None


class Whoami(_Answer, frozen=True, kw_only=True):
    """Who asks, and whom."""

    party: str
    key: str
    role: str
    expires: datetime


class Happened(_Answer, frozen=True, kw_only=True):
    """An event: one line of the journal. `index` is its place there, by which a reader resumes."""

    index: int
    kind: str
    at: datetime
    partner: str | None = None
    message: str | None = None
    parcel: str | None = None
    note: str = ""
    document: str | None = None
    seq: int | None = None
    state: str | None = None
