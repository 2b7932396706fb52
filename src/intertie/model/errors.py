"""What can go wrong: whose fault it is, what the wire says, and whether trying again helps."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from intertie.model.ids import MessageId, PartyId


class Fault(StrEnum):
    """Whose fault an error is."""

    THEIRS = "theirs"
    OURS = "ours"
    UNKNOWN = "unknown"


class Rule(NamedTuple):
    """One way to be refused. `step` is the step of the order of verification (docs/parcel.md)."""

    step: int
    http: int
    retry: bool
    sentence: str


class Code(StrEnum):
    """Wire codes of refusals; RULES says what each means."""

    TOO_LARGE = "too_large"
    RATE_LIMITED = "rate_limited"
    ATTACHMENT_QUOTA = "attachment_quota"
    RELAY_FULL = "relay_full"
    BAD_FRAME = "bad_frame"
    BAD_HEADER = "bad_header"
    BAD_WAYBILL = "bad_waybill"
    UNKNOWN_SENDER = "unknown_sender"
    SENDER_SUSPENDED = "sender_suspended"
    WRONG_RECIPIENT = "wrong_recipient"
    HOP_LIMIT = "hop_limit"
    TRANSPORT_NOT_SENDER = "transport_not_sender"
    TRANSPORT_CERTIFICATE = "transport_certificate"
    INVALID_TOKEN = "invalid_token"  # noqa: S105 - the name of a refusal (RFC 6750 s.3.1), not a secret
    INSUFFICIENT_SCOPE = "insufficient_scope"
    PARCEL_ID_REUSED = "parcel_id_reused"
    NOT_RELAYED = "not_relayed"
    UNKNOWN_KEY = "unknown_key"
    CANNOT_OPEN = "cannot_open"
    BAD_MANIFEST = "bad_manifest"
    SIGNATURE_MISSING = "signature_missing"
    SIGNATURE_INVALID = "signature_invalid"
    CERTIFICATE_UNTRUSTED = "certificate_untrusted"
    CERTIFICATE_EXPIRED = "certificate_expired"
    CERTIFICATE_REVOKED = "certificate_revoked"
    CERTIFICATE_NOT_SENDER = "certificate_not_sender"
    UNKNOWN_CERTIFICATE = "unknown_certificate"
    REVOCATION_UNKNOWN = "revocation_unknown"
    ROOT_MISMATCH = "root_mismatch"
    BAD_MESSAGE = "bad_message"
    HEADER_NOT_PARCEL = "header_not_parcel"
    UNKNOWN_FLOW = "unknown_flow"
    WRONG_ROLE = "wrong_role"
    PROTECTION_TOO_WEAK = "protection_too_weak"
    EXPIRED = "expired"
    FROM_THE_FUTURE = "from_the_future"
    MESSAGE_ID_REUSED = "message_id_reused"
    SCHEMA = "schema"
    AGREEMENT_NOT_IN_FORCE = "agreement_not_in_force"
    TRADE_RULE = "trade_rule"
    TRANSPORT_TOO_WEAK = "transport_too_weak"
    NOT_LIVE = "not_live"
    ATTACHMENT_MISSING = "attachment_missing"
    ATTACHMENT_BROKEN = "attachment_broken"
    RELAY_NOT_ALLOWED = "relay_not_allowed"
    NO_WAY_BACK = "no_way_back"


RULES: dict[Code, Rule] = {
    Code.TOO_LARGE: Rule(1, 413, False, "The parcel is larger than this gateway takes from this partner."),
    Code.RATE_LIMITED: Rule(
        1, 429, True, "The partner sends more than its quota; Retry-After says when to go on."
    ),
    Code.BAD_FRAME: Rule(2, 400, False, "The bytes are not a parcel of a version this gateway knows."),
    Code.BAD_HEADER: Rule(2, 400, False, "The parcel header is not the JSON object that the format defines."),
    Code.UNKNOWN_SENDER: Rule(3, 403, False, "The sender is not a partner of this gateway."),
    Code.SENDER_SUSPENDED: Rule(3, 403, True, "The partner is suspended here; its operators know why."),
    Code.WRONG_RECIPIENT: Rule(
        3, 421, False, "The parcel is for another party, and this gateway does not relay to it."
    ),
    Code.TRANSPORT_NOT_SENDER: Rule(
        4, 403, False, "The connection's certificate belongs to another party than the sender."
    ),
    Code.TRANSPORT_CERTIFICATE: Rule(
        4,
        403,
        False,
        "The connection's certificate is not valid, is revoked, or has no root trusted for its party.",
    ),
    Code.INVALID_TOKEN: Rule(
        4, 401, True, "The access token is missing, expired, revoked, or bound to another certificate."
    ),
    Code.INSUFFICIENT_SCOPE: Rule(
        4, 403, False, "The access token's scope does not cover what the parcel carries."
    ),
    Code.PARCEL_ID_REUSED: Rule(5, 409, False, "A parcel with this id and other bytes was received before."),
    Code.UNKNOWN_KEY: Rule(6, 422, False, "The parcel is sealed for a key that this gateway does not hold."),
    Code.CANNOT_OPEN: Rule(6, 422, False, "The parcel does not open: its header or its content was changed."),
    Code.BAD_MANIFEST: Rule(
        7, 422, False, "The manifest is missing, unsigned, or not what the format defines."
    ),
    Code.SIGNATURE_MISSING: Rule(7, 422, False, "A signature that the profile requires is not there."),
    Code.SIGNATURE_INVALID: Rule(7, 422, False, "A signature does not verify."),
    Code.CERTIFICATE_UNTRUSTED: Rule(7, 422, False, "A signing certificate does not lead to a trusted root."),
    Code.CERTIFICATE_EXPIRED: Rule(7, 422, False, "A signing certificate is not valid at this time."),
    Code.CERTIFICATE_REVOKED: Rule(7, 422, False, "A signing certificate is revoked."),
    Code.CERTIFICATE_NOT_SENDER: Rule(
        7, 422, False, "A signing certificate belongs to another party than the sender."
    ),
    Code.UNKNOWN_CERTIFICATE: Rule(
        7,
        422,
        True,
        "A signature names a certificate that is not in the sender's descriptor as this gateway knows it.",
    ),
    Code.ROOT_MISMATCH: Rule(8, 422, False, "The messages are not the ones that were signed."),
    Code.BAD_MESSAGE: Rule(9, 422, False, "The message is not a JSON object with a header and a body."),
    Code.HEADER_NOT_PARCEL: Rule(
        9, 422, False, "The message names other parties than the parcel that carries it."
    ),
    Code.UNKNOWN_FLOW: Rule(9, 422, False, "The interface has no flow for this document in this mode."),
    Code.WRONG_ROLE: Rule(
        9, 422, False, "The sender or the recipient does not hold the role that the flow asks for."
    ),
    Code.PROTECTION_TOO_WEAK: Rule(9, 422, False, "The parcel's protection is weaker than the flow needs."),
    Code.EXPIRED: Rule(9, 422, False, "The message had expired when it arrived."),
    Code.FROM_THE_FUTURE: Rule(
        9, 422, True, "The message was created later than now; one of the two clocks is wrong."
    ),
    Code.MESSAGE_ID_REUSED: Rule(
        9, 422, False, "A message with this id and other bytes was received before."
    ),
    Code.SCHEMA: Rule(9, 422, False, "The body does not fit the schema of its document."),
    Code.AGREEMENT_NOT_IN_FORCE: Rule(
        9, 422, False, "The flow needs an agreement in force between the parties."
    ),
    Code.TRADE_RULE: Rule(
        9, 422, False, "The message breaks a rule of the trade; the detail begins with its name."
    ),
    Code.TRANSPORT_TOO_WEAK: Rule(
        9, 422, False, "The flow needs a connection with a hybrid key exchange, and this one had none."
    ),
    Code.NOT_LIVE: Rule(9, 422, False, "The partner is not live yet: only its test conversation is taken."),
    Code.REVOCATION_UNKNOWN: Rule(
        7,
        422,
        True,
        "Whether a signing certificate is revoked cannot be said: its authority's list is out of date.",
    ),
    Code.ATTACHMENT_MISSING: Rule(
        9, 422, False, "A file that the message names has not arrived, or not all of it."
    ),
    Code.ATTACHMENT_BROKEN: Rule(
        9, 422, False, "A file does not open with the key in its message, or is not the one that was signed."
    ),
    Code.RELAY_FULL: Rule(
        1,
        429,
        True,
        "As much waits here of this sender as this relay keeps; it goes on when some of it has gone.",
    ),
    Code.BAD_WAYBILL: Rule(
        2, 400, False, "The waybill, the trail or a relay's statement is not what the format defines."
    ),
    Code.HOP_LIMIT: Rule(
        3,
        422,
        False,
        "The parcel went over as many relays as its sender allows, or came back to one of them.",
    ),
    Code.NOT_RELAYED: Rule(5, 404, False, "No parcel of this id went to this partner, or by it."),
    Code.RELAY_NOT_ALLOWED: Rule(
        9, 403, False, "The catalogue does not let this flow go by a relay, or the waybill does not name it."
    ),
    Code.NO_WAY_BACK: Rule(
        9, 422, False, "The flow needs a receipt, and from this partner nothing comes back."
    ),
    Code.ATTACHMENT_QUOTA: Rule(
        1,
        429,
        True,
        "As many files as this gateway keeps for the partner wait for the messages that name them.",
    ),
}


class IntertieError(Exception):
    """Root of all errors of this program. `do` tells a person what to do next."""

    fault = Fault.OURS
    retry = False

    def __init__(self, why: str, *, do: str = "") -> None:
        super().__init__(why)
        self.why = why
        self.do = do

    def __str__(self) -> str:
        return f"{self.why}. {self.do}" if self.do else self.why


class SettingsError(IntertieError):
    """A configuration file, a catalogue file or a command line that cannot be used; `why` names the place."""


class StoreError(IntertieError):
    """The store cannot be read or written. What was acknowledged is on disk; trying again later may help."""

    retry = True


class EvidenceError(IntertieError):
    """Evidence that does not verify. `step` is the number of the step in docs/evidence.md."""

    fault = Fault.THEIRS

    def __init__(self, step: int, why: str, *, do: str = "") -> None:
        super().__init__(f"step {step}: {why}", do=do)
        self.step = step


class PartnerError(IntertieError):
    """The partner could not be reached or answered something that is no answer: outcome unknown, send the same bytes again."""

    fault = Fault.UNKNOWN
    retry = True


class Refused(IntertieError):
    """A parcel or a message that is refused, by rule; nothing of it is kept but the refusal."""

    fault = Fault.THEIRS

    def __init__(
        self,
        code: Code,
        detail: str = "",
        *,
        message: MessageId | None = None,
        partner: PartyId | None = None,
    ) -> None:
        rule = RULES[code]
        named = [f"partner {partner}"] * bool(partner) + [f"message {message}"] * bool(message)
        place = f" ({', '.join(named)})" if named else ""
        super().__init__(f"{code}: {detail or rule.sentence}{place}")
        self.code = code
        self.rule = rule
        self.detail = detail or rule.sentence
        self.message = message
        self.partner = partner
        self.retry = rule.retry

    @property
    def step(self) -> int:
        """Step of the order of verification."""
        return self.rule.step
