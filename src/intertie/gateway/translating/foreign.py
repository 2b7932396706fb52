"""A partner that has no gateway of this kind and speaks a protocol of its own: who it is, on what, and until when it may.

Such a protocol is weaker than our parcels. What a partner's legacy file says is what somebody answered for: an end date, a key
that is pinned, and the contract that both signed on paper.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Annotated, NamedTuple, Protocol

import msgspec
from msgspec import Meta

from intertie.formats.as2.terms import As2Terms
from intertie.formats.as4.terms import As4Terms
from intertie.formats.custodian_terms import CustodianTerms
from intertie.formats.espi.terms import EspiTerms
from intertie.formats.file_terms import CsvTerms, JsonTerms
from intertie.formats.ftps_terms import FtpsTerms
from intertie.formats.internet_et.terms import InternetEtTerms
from intertie.formats.parcel_terms import ParcelTerms
from intertie.formats.sftp_terms import SftpTerms
from intertie.formats.uftp.terms import Terms as UftpTerms
from intertie.formats.upload_terms import UploadTerms
from intertie.formats.x12.trading import Trading
from intertie.market.book import Book
from intertie.market.contract import terms_hash
from intertie.market.event import Event
from intertie.model.agreement import BaseContract, ConfirmingParty, ContractSignature
from intertie.model.contract import Confirmation, ConfirmationAnswer, ConfirmationResponse
from intertie.model.errors import Code, Refused, SettingsError
from intertie.model.ids import AgreementId, MessageId, PartyId, ShortText, derived_uuid7
from intertie.model.message import Header
from intertie.model.party import Role
from intertie.model.record import Record, RuleError
from intertie.model.rules import no_repeats
from intertie.seal.translated_evidence import ForeignVerifier

# The messages of the contract and its deals, each after the other.
AFTER = timedelta(microseconds=1)
CONTRACT_MESSAGES = 3
# Deals with one partner that are kept by hand: some tens are many.
DEALS_MAX = 200
# The sections of a legacy file that say how the partner is reached, and what its files say.
CARRIERS = ("uftp", "as2", "as4", "sftp", "upload", "ftps", "internet_et", "green_button")
# In the order in which they are tried: who agreed on several means the first that can say all of a document.
FORMATS = ("x12", "espi", "csv", "json", "parcel")
# By which files go to a partner as they are: a sealed parcel is one.
PARCEL_CARRIERS = ("sftp", "upload", "ftps", "as2", "as4", "internet_et")


class Level(StrEnum):
    """What a partner says of a message of ours, from the least to the most; which one closes it, its legacy file says."""

    FETCHED = "fetched"  # it took the file away
    RECEIPT = "receipt"  # its carrier's receipt: it has these bytes
    SYNTAX = "syntax"  # its 997: they are what the format says
    BUSINESS = "business"  # its 824 or table of results: it is in its books

    def reaches(self, other: Level) -> bool:
        """Whether it says as much."""
        order = list(Level)
        return order.index(self) >= order.index(other)


class Foreign(Record, frozen=True, kw_only=True):
    """What the partner's legacy file says (`partners/PARTY.legacy`)."""

    name: ShortText
    roles: Annotated[tuple[Role, ...], Meta(min_length=1, max_length=len(Role))]
    # The last day on which anything goes to it, or is taken from it, in its own protocol.
    legacy_until: date
    # How it is reached: exactly one of these.
    uftp_terms: UftpTerms | None = msgspec.field(default=None, name="uftp")
    as2_terms: As2Terms | None = msgspec.field(default=None, name="as2")
    as4_terms: As4Terms | None = msgspec.field(default=None, name="as4")
    sftp_terms: SftpTerms | None = msgspec.field(default=None, name="sftp")
    upload_terms: UploadTerms | None = msgspec.field(default=None, name="upload")
    ftps_terms: FtpsTerms | None = msgspec.field(default=None, name="ftps")
    custodian_terms: CustodianTerms | None = msgspec.field(default=None, name="green_button")
    internet_et_terms: InternetEtTerms | None = msgspec.field(default=None, name="internet_et")
    # What its files say, where a carrier moves files: one of these, or several, each for what those before it have no words for.
    x12: Trading | None = None
    csv: CsvTerms | None = None
    json: JsonTerms | None = None
    espi: EspiTerms | None = None
    parcel: ParcelTerms | None = None
    # What of its answers counts as the receipt of a message of ours; without it, what the carrier and the format can give.
    received: Level | None = None
    # What both signed on paper: the rules of the trade are asked by it as by one that was made through the gateway.
    contract: BaseContract | None = None
    # The deals under it that both agreed to, where its protocol has no words for them: what it calls by ContractID, and settles.
    deals: Annotated[tuple[Confirmation, ...], Meta(max_length=DEALS_MAX)] = ()

    def check(self) -> None:
        """One carrier, one format if it carries files; an answer that closes and can come; deals are under the contract, once."""
        if any(self.contract is None or one.agreement != self.contract.agreement for one in self.deals):
            raise RuleError("deals: under another agreement than [contract]")
        no_repeats("deals", (one.confirmation for one in self.deals))
        if len(self._carriers()) != 1:
            raise RuleError(f"a legacy file has one of {', '.join(f'[{name}]' for name in CARRIERS)}")
        if bool(self._formats()) != (self.binding != "uftp"):
            said = ", ".join(f"[{name}]" for name in FORMATS)
            raise RuleError(f"a file carrier goes with one or more of {said}, which say what its files are")
        if self.custodian_terms is not None and self.espi is None:
            raise RuleError("[green_button] goes with [espi]: a custodian gives feeds, and nothing else")
        if self.parcel is not None and self.binding not in PARCEL_CARRIERS:
            raise RuleError(f"[parcel] goes with one of {', '.join(PARCEL_CARRIERS)}")
        if self.in_clear and self._formats() != ["parcel"]:
            raise RuleError("[ftps] without TLS carries what is sealed, and nothing else: [parcel] alone")
        if self.received is not None and self.received not in self._answers():
            raise RuleError(f"received: one of {', '.join(self._answers())} comes from this partner")

    @property
    def in_clear(self) -> bool:
        """Whether its carrier protects nothing: then it carries sealed parcels and what answers them alone."""
        return self.ftps_terms is not None and self.ftps_terms.in_clear

    def _carriers(self) -> list[str]:
        said = (
            self.uftp_terms,
            self.as2_terms,
            self.as4_terms,
            self.sftp_terms,
            self.upload_terms,
            self.ftps_terms,
            self.internet_et_terms,
            self.custodian_terms,
        )
        return [name for name, terms in zip(CARRIERS, said, strict=True) if terms is not None]

    def _formats(self) -> list[str]:
        said = (self.x12, self.espi, self.csv, self.json, self.parcel)
        return [name for name, terms in zip(FORMATS, said, strict=True) if terms is not None]

    def _answers(self) -> list[Level]:
        """What comes from it, the usual one first."""
        if self.binding == "uftp":
            return [Level.RECEIPT]
        of_format = [Level.SYNTAX, Level.BUSINESS] if self.x12 is not None else [Level.BUSINESS]
        if not {"x12", "csv", "json"} & set(
            self._formats()
        ):  # it has no word for an answer, or one of its own
            of_format = []
        if self.binding in ("as2", "as4", "internet_et"):
            return [Level.RECEIPT, *of_format]
        return [*of_format, Level.FETCHED] if self.x12 is not None else [Level.FETCHED, *of_format]

    @property
    def closing(self) -> Level:
        """What counts as its receipt."""
        return self.received or self._answers()[0]

    @property
    def binding(self) -> str:
        """The carrier, or the protocol, that it speaks."""
        return self._carriers()[0]

    @property
    def formats(self) -> list[str]:
        """What its files may be, in the order in which they are tried. SettingsError if it sends none."""
        if found := self._formats():
            return found
        raise SettingsError(f"{self.name} sends no files", do="See its legacy file.")

    @property
    def format(self) -> str:
        """The same, for people."""
        return "+".join(self.formats)

    @property
    def sftp(self) -> SftpTerms:
        """SettingsError if it speaks another one."""
        if self.sftp_terms is None:
            raise SettingsError(f"{self.name} does not speak SFTP", do="See its legacy file.")
        return self.sftp_terms

    @property
    def ftps(self) -> FtpsTerms:
        """SettingsError if it does not speak FTPS."""
        if self.ftps_terms is None:
            raise SettingsError(f"{self.name} does not speak FTPS", do="See its legacy file.")
        return self.ftps_terms

    @property
    def upload(self) -> UploadTerms:
        """SettingsError if it does not upload."""
        if self.upload_terms is None:
            raise SettingsError(f"{self.name} does not upload files", do="See its legacy file.")
        return self.upload_terms

    @property
    def custodian(self) -> CustodianTerms:
        """SettingsError if we fetch no feeds from it."""
        if self.custodian_terms is None:
            raise SettingsError(
                f"{self.name} is no custodian whose feeds we fetch", do="See its legacy file."
            )
        return self.custodian_terms

    @property
    def uftp(self) -> UftpTerms:
        """SettingsError if it speaks another one."""
        if self.uftp_terms is None:
            raise SettingsError(f"{self.name} does not speak UFTP", do="See its legacy file.")
        return self.uftp_terms

    @property
    def as2(self) -> As2Terms:
        """SettingsError if it speaks another one."""
        if self.as2_terms is None:
            raise SettingsError(f"{self.name} does not speak AS2", do="See its legacy file.")
        return self.as2_terms

    @property
    def as4(self) -> As4Terms:
        """SettingsError if it speaks another one."""
        if self.as4_terms is None:
            raise SettingsError(f"{self.name} does not speak AS4", do="See its legacy file.")
        return self.as4_terms

    @property
    def internet_et(self) -> InternetEtTerms:
        """SettingsError if it speaks another one."""
        if self.internet_et_terms is None:
            raise SettingsError(f"{self.name} does not speak Internet ET", do="See its legacy file.")
        return self.internet_et_terms

    @property
    def trading(self) -> Trading:
        """The two ends of its X12; SettingsError if it has none."""
        if self.x12 is None:
            raise SettingsError(f"{self.name} does not speak X12", do="See its legacy file.")
        return self.x12

    @property
    def url(self) -> str:
        """Where it is reached; empty, if it comes to us."""
        if self.sftp_terms is not None:
            return self.sftp_terms.url
        if self.upload_terms is not None:
            return ""
        if self.ftps_terms is not None:
            return self.ftps_terms.url
        if self.custodian_terms is not None:
            return self.custodian_terms.resources
        if self.as4_terms is not None:
            return self.as4_terms.url
        if self.internet_et_terms is not None:
            return self.internet_et_terms.url
        return self.uftp.url if self.as2_terms is None else self.as2.url

    @property
    def agreement(self) -> AgreementId | None:
        """Under which its messages stand: its protocol does not say."""
        return self.contract.agreement if self.contract is not None else None


class Known(NamedTuple):
    """What both hold, for what a message refers to. `original` gives the signed bytes of a message that was translated, `known`
    whether a message of this id is here, `number` the next number towards the partner: never the same twice."""

    book: Book
    original: Callable[[MessageId], bytes | None]
    known: Callable[[MessageId], bool]
    number: Callable[[], int] = lambda: 1


class ForeignKeys(NamedTuple):
    """The keys of both sides in a protocol, as it writes them."""

    ours: tuple[str, ...]
    theirs: tuple[str, ...]


class Translator(Protocol):
    """What a binding gives for messages that go out in its protocol, and for whoever is shown what came and went in it."""

    verifier: ForeignVerifier

    def keys(self, foreign: Foreign, now: datetime) -> ForeignKeys:
        """By which either side's signatures verify, also those of before; ours first is the one that signs now."""

    def write(self, foreign: Foreign, header: Header, body: Record, known: Known) -> bytes:
        """The signed bytes of a message of ours. Raises IntertieError for what the protocol has no words for."""


def check_legacy(party: PartyId, foreign: Foreign, today: date, message: MessageId | None = None) -> None:
    """Refused(PROTECTION_TOO_WEAK) after the end date."""
    if today > foreign.legacy_until:
        detail = (
            f"{party} speaks {foreign.binding}, which has no post-quantum algorithm; "
            f"that it may ended on {foreign.legacy_until}"
        )
        raise Refused(Code.PROTECTION_TOO_WEAK, detail, message=message, partner=party)


def paper_events(foreign: Foreign) -> tuple[Event, ...]:
    """The contract on paper as the book of the trade takes it: proposed, and signed by both, as it took effect; then its deals,
    confirmed by the one and accepted by the other."""
    text = foreign.contract
    if text is None:
        return ()
    signature = ContractSignature(agreement=text.agreement, revision=text.revision, terms=terms_hash(text))
    said: list[tuple[PartyId, PartyId, Record]] = [
        (text.buyer, text.seller, text),
        (text.buyer, text.seller, signature),
        (text.seller, text.buyer, signature),
    ]
    seller_confirms = text.elections.confirming_party is ConfirmingParty.SELLER
    one, other = (text.seller, text.buyer) if seller_confirms else (text.buyer, text.seller)
    for deal in foreign.deals:
        accepted = ConfirmationResponse(
            confirmation=deal.confirmation, answer=ConfirmationAnswer.ACCEPTED, revision=deal.revision
        )
        said += [(one, other, deal), (other, one, accepted)]
    return tuple(
        _on_paper(text, number, sender, recipient, body, text.effective + AFTER * number)
        for number, (sender, recipient, body) in enumerate(said)
    )


def _on_paper(
    text: BaseContract, number: int, sender: PartyId, recipient: PartyId, body: Record, at: datetime
) -> Event:
    named = str(number) if number < CONTRACT_MESSAGES else f"{number}:{_hash(body)}"
    return Event(
        message=MessageId(derived_uuid7("paper", f"{terms_hash(text)}:{named}")),
        sender=sender,
        recipient=recipient,
        created=at,
        received=at,
        body=body,
        agreement=text.agreement,
    )


def _hash(body: Record) -> str:
    return hashlib.sha256(msgspec.json.encode(body, order="sorted")).hexdigest()
