"""Every request of the office API as a value: what to ask, and what type the answer has. The two clients carry them out."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import quote

import msgspec

from intertie.model.agreement import ContractAction, DefaultReason
from intertie.model.availability import AvailabilityDeclaration
from intertie.model.contract import ObjectionReason, Service
from intertie.model.dispatch import (
    CancelReason,
    DispatchAnswer,
    DispatchInstruction,
    RefusalReason,
    ReportKind,
)
from intertie.model.documents import document_of
from intertie.model.interval import IntervalSeries, Window
from intertie.model.message import Mode
from intertie.model.office import (
    PAGE,
    Book,
    Digest,
    DocumentPage,
    EffectsNow,
    FlowPage,
    KeyLine,
    KeyPage,
    Message,
    MessageLine,
    MessagePage,
    PartnerLine,
    PartnerPage,
    Queued,
    SearchPage,
    VoidPage,
    Whoami,
)
from intertie.model.record import Record

BASE = "/api/v1"
T = TypeVar("T")
_ENCODER = msgspec.json.Encoder(decimal_format="string")


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request. `key` is its Idempotency-Key; a GET has none. `kind` bytes: the answer as it is."""

    kind: type[T]
    path: str
    query: Mapping[str, str | int] | None = None
    body: bytes | None = None
    key: str | None = None

    @property
    def method(self) -> str:
        """GET or POST."""
        return "GET" if self.key is None else "POST"

    def read(self, raw: bytes) -> T:
        """The answer. ValidationError of msgspec if it is none of this type."""
        return raw if self.kind is bytes else msgspec.json.decode(raw, type=self.kind)  # type: ignore[return-value]


def _get(kind: type[T], *parts: str, **query: str | int | None) -> Call[T]:
    asked = {name: value for name, value in query.items() if value is not None}
    return Call(kind, _path(parts), asked)


def _post(kind: type[T], key: str | None, body: Mapping[str, object] | Record, *parts: str) -> Call[T]:
    if isinstance(body, Mapping):
        body = {name: value for name, value in body.items() if value is not None}
    return Call(kind, _path(parts), body=_ENCODER.encode(body), key=key or str(uuid.uuid4()))


def _path(parts: tuple[str, ...]) -> str:
    return "/".join([BASE, *(quote(part, safe="") for part in parts)])


def whoami() -> Call[Whoami]:
    """Whose key this is, and whose gateway."""
    return _get(Whoami, "whoami")


def partners(after: str = "", limit: int = PAGE) -> Call[PartnerPage]:
    """Partners and how each stands."""
    return _get(PartnerPage, "partners", after=after, limit=limit)


def partner(party: str) -> Call[PartnerLine]:
    """One partner."""
    return _get(PartnerLine, "partners", party)


def flows(
    interface: str | None = None, document: str | None = None, after: int = 0, limit: int = PAGE
) -> Call[FlowPage]:
    """Who may send which document to whom."""
    return _get(FlowPage, "flows", interface=interface, document=document, after=after, limit=limit)


def documents(after: str = "", limit: int = PAGE) -> Call[DocumentPage]:
    """The kinds of documents."""
    return _get(DocumentPage, "documents", after=after, limit=limit)


def schema(document: str) -> Call[dict[str, Any]]:
    """The JSON Schema of a document."""
    return _get(dict, "documents", document, "schema")


def inbox(
    after: int = 0,
    limit: int = PAGE,
    partner: str | None = None,
    document: str | None = None,
    conversation: str | None = None,
) -> Call[MessagePage]:
    """What partners sent and the gateway accepted, after a seq."""
    return _get(
        MessagePage,
        "inbox",
        after=after,
        limit=limit,
        partner=partner,
        document=document,
        conversation=conversation,
    )


def messages(
    direction: Literal["in", "out"] = "out",
    after: int = 0,
    limit: int = PAGE,
    partner: str | None = None,
    document: str | None = None,
    conversation: str | None = None,
    state: str | None = None,
) -> Call[MessagePage]:
    """Messages in the order of seq."""
    return _get(
        MessagePage,
        "messages",
        direction=direction,
        after=after,
        limit=limit,
        partner=partner,
        document=document,
        conversation=conversation,
        state=state,
    )


def search(
    text: str = "",
    after: int = 0,
    limit: int = PAGE,
    direction: Literal["in", "out"] | None = None,
    partner: str | None = None,
    interface: str | None = None,
    document: str | None = None,
    agreement: str | None = None,
    conversation: str | None = None,
    state: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Call[SearchPage]:
    """Messages of both directions, newest first. A short page is not the last one: go on with its `next`."""
    return _get(
        SearchPage,
        "search",
        text=text or None,
        after=after,
        limit=limit,
        direction=direction,
        partner=partner,
        interface=interface,
        document=document,
        agreement=agreement,
        conversation=conversation,
        state=state,
        since=None if since is None else since.isoformat(),
        until=None if until is None else until.isoformat(),
    )


def dead_letters(after: int = 0, limit: int = PAGE, partner: str | None = None) -> Call[MessagePage]:
    """What came to nothing and was not sent again."""
    return _get(MessagePage, "dead-letters", after=after, limit=limit, partner=partner)


def message(id: str) -> Call[Message]:
    """One message: header, body, state, receipt."""
    return _get(Message, "messages", id)


def evidence(id: str) -> Call[bytes]:
    """The evidence file of a message."""
    return _get(bytes, "messages", id, "evidence")


def send(
    to: str,
    body: Record,
    *,
    mode: Mode | None = None,
    interface: str | None = None,
    agreement: str | None = None,
    conversation: str | None = None,
    in_reply_to: str | None = None,
    expires: datetime | None = None,
    key: str | None = None,
) -> Call[Queued]:
    """Send a document of any kind."""
    said = {
        "to": to,
        "document": document_of(body).name,
        "body": body,
        "mode": mode,
        "interface": interface,
        "agreement": agreement,
        "conversation": conversation,
        "in_reply_to": in_reply_to,
        "expires": expires,
    }
    return _post(Queued, key, said, "messages")


def cancel(id: str, *, key: str | None = None) -> Call[MessageLine]:
    """Take back a message that is still queued."""
    return _post(MessageLine, key, {}, "messages", id, "cancel")


def resend(
    id: str, *, may_have_arrived: bool = False, hours: float | None = None, key: str | None = None
) -> Call[Queued]:
    """Send the content of a dead letter again, as a new message."""
    body = {"may_have_arrived": may_have_arrived, "hours": hours}
    return _post(Queued, key, body, "messages", id, "resend")


def book(partner: str) -> Call[Book]:
    """Everything that both parties hold, with its state now."""
    return _get(Book, "trade", partner)


def void(partner: str) -> Call[VoidPage]:
    """Messages that have no effect, and the rule."""
    return _get(VoidPage, "trade", partner, "void")


def digest(partner: str) -> Call[Digest]:
    """The digest that must be equal on both sides."""
    return _get(Digest, "trade", partner, "digest")


def effects(partner: str, hours: int = 24) -> Call[EffectsNow]:
    """What outages and suspensions do to what was agreed."""
    return _get(EffectsNow, "trade", partner, "effects", hours=hours)


def sign(partner: str, agreement: str, *, signatory: str = "", key: str | None = None) -> Call[Queued]:
    """Sign the newest text of a contract."""
    return _post(Queued, key, {"signatory": signatory}, "trade", partner, "contracts", agreement, "sign")


def notice(
    partner: str,
    agreement: str,
    action: ContractAction,
    *,
    reason: DefaultReason | None = None,
    text: str = "",
    key: str | None = None,
) -> Call[Queued]:
    """A notice under a contract."""
    body = {"action": action, "reason": reason, "text": text}
    return _post(Queued, key, body, "trade", partner, "contracts", agreement, "notice")


def answer_deal(
    partner: str,
    deal: str,
    *,
    objection: ObjectionReason | None = None,
    detail: str = "",
    key: str | None = None,
) -> Call[Queued]:
    """Accept a confirmation, or object to it."""
    body = {"objection": objection, "detail": detail}
    return _post(Queued, key, body, "trade", partner, "confirmations", deal, "answer")


def declare(partner: str, declaration: AvailabilityDeclaration, *, key: str | None = None) -> Call[Queued]:
    """Declare what an aggregation can do."""
    return _post(Queued, key, declaration, "trade", partner, "availability")


def withdraw(
    partner: str,
    aggregation: str,
    *,
    service: Service | None = None,
    point: str | None = None,
    within: Window | None = None,
    key: str | None = None,
) -> Call[Queued]:
    """Declare that nothing can be done where something was declared."""
    body = {"aggregation": aggregation, "service": service, "point": point, "within": within}
    return _post(Queued, key, body, "trade", partner, "availability", "withdraw")


def instruct(partner: str, instruction: DispatchInstruction, *, key: str | None = None) -> Call[Queued]:
    """Call a deal, or, in an emergency, a point."""
    return _post(Queued, key, instruction, "trade", partner, "dispatches")


def answer_dispatch(
    partner: str,
    dispatch: str,
    answer: DispatchAnswer,
    *,
    reason: RefusalReason | None = None,
    committed_kw: IntervalSeries | None = None,
    text: str = "",
    key: str | None = None,
) -> Call[Queued]:
    """Accept the newest revision of an instruction, a part of it, or refuse it."""
    body = {"answer": answer, "reason": reason, "committed_kw": committed_kw, "text": text}
    return _post(Queued, key, body, "trade", partner, "dispatches", dispatch, "answer")


def report_dispatch(
    partner: str,
    dispatch: str,
    report: ReportKind,
    at: datetime,
    *,
    reason: RefusalReason | None = None,
    achieved_kw: IntervalSeries | None = None,
    ders: int | None = None,
    text: str = "",
    key: str | None = None,
) -> Call[Queued]:
    """Say that a dispatch has begun, is done, or had to be given up."""
    body = {
        "report": report,
        "at": at,
        "reason": reason,
        "achieved_kw": achieved_kw,
        "ders": ders,
        "text": text,
    }
    return _post(Queued, key, body, "trade", partner, "dispatches", dispatch, "report")


def measure_dispatch(
    partner: str,
    dispatch: str,
    power_kw: IntervalSeries,
    *,
    ders_reporting: int | None = None,
    key: str | None = None,
) -> Call[Queued]:
    """Say what is measured during a dispatch."""
    body = {"power_kw": power_kw, "ders_reporting": ders_reporting}
    return _post(Queued, key, body, "trade", partner, "dispatches", dispatch, "telemetry")


def cancel_dispatch(
    partner: str,
    dispatch: str,
    reason: CancelReason,
    effective: datetime,
    *,
    replaced_by: str | None = None,
    text: str = "",
    key: str | None = None,
) -> Call[Queued]:
    """Take an instruction back from a time on."""
    body = {"reason": reason, "effective": effective, "replaced_by": replaced_by, "text": text}
    return _post(Queued, key, body, "trade", partner, "dispatches", dispatch, "cancel")


def keys(after: str = "", limit: int = PAGE) -> Call[KeyPage]:
    """The API keys, without the keys."""
    return _get(KeyPage, "keys", after=after, limit=limit)


def revoke_key(name: str, *, key: str | None = None) -> Call[KeyLine]:
    """Let a key count no more."""
    return _post(KeyLine, key, {}, "keys", name, "revoke")
