"""The header of a message: from whom, to whom, about what, and which files (ebMS 3.0 s.5.2.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from lxml import etree

from intertie.formats.as4.flaws import As4Error, Flaw
from intertie.formats.as4.names import GZIP, INITIATOR, PREFIXES, RESPONDER, TEST_ACTION, TEST_SERVICE, eb
from intertie.formats.as4.xml import add, at_most_one, only, read_time, text_of, write_time

# RFC 2822 as ebMS takes it: without brackets; what people write in it is looked at, not what may stand in it.
MESSAGE_ID = re.compile(r"^[!-;=?-~]{1,255}\Z")
PRINTABLE = re.compile(r"^[!-~](?:[ -~]{0,253}[!-~])?\Z")


class Roles(NamedTuple):
    """Whose role is which in the exchange; some networks name their own."""

    sender: str = INITIATOR
    recipient: str = RESPONDER


class Party(NamedTuple):
    """A party as its partner knows it."""

    name: str
    kind: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}" if self.kind else self.name


class Payload(NamedTuple):
    """A file of the message: its content id, its own content type, and whether it is compressed."""

    cid: str
    kind: str
    compressed: bool


class Business(NamedTuple):
    """What a message is about, in the words of the agreement."""

    service: str
    action: str
    service_type: str = ""
    agreement: str = ""
    agreement_type: str = ""

    @property
    def is_test(self) -> bool:
        """Whether it only tries the way (s.5.2.2.8)."""
        return (self.service, self.action) == (TEST_SERVICE, TEST_ACTION)


class UserMessage(NamedTuple):
    """All of it."""

    message_id: str
    at: datetime
    sender: Party
    recipient: Party
    business: Business
    conversation: str
    payloads: tuple[Payload, ...] = ()
    properties: Mapping[str, str] = {}
    roles: Roles = Roles()


def write_user(user: UserMessage) -> Any:
    """As `eb:Messaging`."""
    messaging = etree.Element(eb("Messaging"), nsmap=dict(PREFIXES))
    message = add(messaging, "UserMessage")
    info = add(message, "MessageInfo")
    add(info, "Timestamp", write_time(user.at))
    add(info, "MessageId", user.message_id)
    parties = add(message, "PartyInfo")
    for name, party, role in (
        ("From", user.sender, user.roles.sender),
        ("To", user.recipient, user.roles.recipient),
    ):
        end = add(parties, name)
        add(end, "PartyId", party.name, type=party.kind)
        add(end, "Role", role)
    said, about = add(message, "CollaborationInfo"), user.business
    if about.agreement:
        add(said, "AgreementRef", about.agreement, type=about.agreement_type)
    add(said, "Service", about.service, type=about.service_type)
    add(said, "Action", about.action)
    add(said, "ConversationId", user.conversation)
    if user.properties:
        properties = add(message, "MessageProperties")
        for name, value in user.properties.items():
            add(properties, "Property", value, name=name)
    if user.payloads:
        files = add(message, "PayloadInfo")
        for one in user.payloads:
            part = add(add(files, "PartInfo", href=f"cid:{one.cid}"), "PartProperties")
            add(part, "Property", one.kind, name="MimeType")
            if one.compressed:
                add(part, "Property", GZIP, name="CompressionType")
    return messaging


def read_user(messaging: Any) -> UserMessage:
    """What `eb:Messaging` says. Raises As4Error(BAD_HEADER | UNSUPPORTED)."""
    message = only(messaging, "UserMessage")
    if messaging.find(eb("SignalMessage")) is not None:
        raise As4Error(Flaw.UNSUPPORTED, "a message and a signal in one header")
    said = only(message, "CollaborationInfo")
    service, agreement = only(said, "Service"), at_most_one(said, "AgreementRef")
    return UserMessage(
        message_id=read_id(only(message, "MessageInfo", "MessageId")),
        at=read_time(text_of(only(message, "MessageInfo", "Timestamp"))),
        sender=_party(only(message, "PartyInfo", "From")),
        recipient=_party(only(message, "PartyInfo", "To")),
        business=Business(
            service=_word(service),
            action=_word(only(said, "Action")),
            service_type=service.get("type") or "",
            agreement="" if agreement is None else _word(agreement),
            agreement_type="" if agreement is None else agreement.get("type") or "",
        ),
        conversation=text_of(only(said, "ConversationId")),
        payloads=_payloads(message),
        properties=_properties(at_most_one(message, "MessageProperties")),
        roles=Roles(*(_word(only(message, "PartyInfo", end, "Role")) for end in ("From", "To"))),
    )


def read_id(element: Any) -> str:
    """A message id. As4Error(BAD_HEADER)."""
    text = text_of(element)
    if not MESSAGE_ID.match(text):
        raise As4Error(Flaw.BAD_HEADER, f"{etree.QName(element).localname} is no id of a message")
    return text


def _word(element: Any) -> str:
    text = text_of(element)
    if not PRINTABLE.match(text):
        raise As4Error(
            Flaw.BAD_HEADER, f"{etree.QName(element).localname} has no value of printable characters"
        )
    return text


def _party(end: Any) -> Party:
    found = only(end, "PartyId")
    return Party(_word(found), found.get("type") or "")


def _payloads(message: Any) -> tuple[Payload, ...]:
    info = at_most_one(message, "PayloadInfo")
    if info is None:
        return ()
    return tuple(_payload(part) for part in info.findall(eb("PartInfo")))


def _payload(part: Any) -> Payload:
    href = part.get("href") or ""
    if not href.startswith("cid:"):
        raise As4Error(Flaw.UNSUPPORTED, "a file that is not attached")
    properties = _properties(at_most_one(part, "PartProperties"))
    compression = properties.get("CompressionType", "")
    if compression not in ("", GZIP):
        raise As4Error(Flaw.UNSUPPORTED, "a compression other than gzip")
    kind = properties.get("MimeType", "").partition(";")[0].strip().lower()
    return Payload(href[4:], kind or "application/octet-stream", bool(compression))


def _properties(parent: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in () if parent is None else parent.findall(eb("Property")):
        name = one.get("name") or ""
        if name in found:
            raise As4Error(Flaw.BAD_HEADER, "a property that stands twice")
        found[name] = text_of(one)
    return found
