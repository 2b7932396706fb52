"""The rules of needs, offers and orders. The source says which UFTP rejection reason a rule is, or which term it keeps."""

from __future__ import annotations

from intertie.market.event import Rule

_UFTP = "UFTP rejection reason: "
_CONTRACT = "base contract: "
_SEALED = "sealed bids: "
_OWN = "this project: "

WRONG_SIDE = Rule(
    "offers.wrong_side",
    "Needs, counters, orders and results come from the utility; offers, keys and answers from the aggregator",
    _UFTP + "Invalid SenderRole",
)
NO_CONVERSATION = Rule(
    "offers.no_conversation", "A need and an unsolicited offer open a conversation", _UFTP + "Invalid Message"
)
OTHER_CONVERSATION = Rule(
    "offers.other_conversation",
    "What is said about a need or an offer is said in its conversation",
    _UFTP + "Unknown ConversationID",
)
CONVERSATION_IN_USE = Rule(
    "offers.conversation_in_use",
    "A conversation is about one need, or one unsolicited offer",
    _UFTP + "Duplicate Identifier",
)
OTHER_MESSAGE = Rule(
    "offers.other_message",
    "A reply names the message it answers, if it names one",
    _UFTP + "Unknown reference MessageID",
)
SERVICE_OFF = Rule(
    "offers.service_off",
    "Only the services of the agreement are traded; ENERGY is off by default (federal jurisdiction)",
    _CONTRACT + "services",
)

NEED_SUBMITTED = Rule(
    "need.already_submitted",
    "A need is issued once; each later message has a higher revision",
    _UFTP + "Already Submitted",
)
NEED_STALE = Rule(
    "need.stale_revision", "A revision is higher than the one it replaces", _OWN + "owner-written things"
)
NEED_STEP = Rule(
    "need.step",
    "The intervals of a need, or of an order without an offer, are as long as the agreement says",
    _UFTP + "ISP duration rejected",
)
NEED_ZONE = Rule("need.zone", "The time zone is that of the agreement", _UFTP + "TimeZone rejected")
NEED_POINT = Rule("need.point", "The connection points are known", _UFTP + "Invalid CongestionPoint")
NEED_PERIOD = Rule("need.period", "The period has not begun", _UFTP + "Period out of bounds")
NEED_GATE = Rule(
    "need.gate",
    "The gate closes after the need arrives; then come keys, decision and period, in this order",
    _UFTP + "ExpirationDateTime out of bounds",
)
NEED_CAP = Rule(
    "need.cap", "The price cap is not above that of the agreement", _CONTRACT + "price cap of the agreement"
)
NEED_GATE_CLOSED = Rule(
    "need.gate_closed", "A need is revised before its gate closes", _SEALED + "terms are fixed before opening"
)
NEED_UNKNOWN = Rule(
    "need.unknown", "A withdrawal names a need and its revision", _UFTP + "Unknown FlexRequestMessageID"
)
NEED_ENDED = Rule(
    "need.ended", "A need that was withdrawn or decided stays so", _UFTP + "Reference message revoked"
)
NEED_ORDERED = Rule(
    "need.ordered", "A need is not withdrawn when offers to it are ordered", _CONTRACT + "a deal is binding"
)

OFFER_SUBMITTED = Rule(
    "offer.already_submitted",
    "An offer is made once; each later message has a higher revision",
    _UFTP + "Already Submitted",
)
OFFER_STALE = Rule(
    "offer.stale_revision", "A revision is higher than the one it replaces", _OWN + "owner-written things"
)
OFFER_NEED_UNKNOWN = Rule(
    "offer.unknown_need", "The offer names a need of this partner", _UFTP + "Unknown FlexRequestMessageID"
)
OFFER_OTHER_NEED = Rule(
    "offer.other_need", "A revision answers the need that the offer answered", _OWN + "owner-written things"
)
OFFER_NEED_REVISED = Rule(
    "offer.need_revised",
    "The offer answers the highest revision of the need",
    _UFTP + "Reference message revoked",
)
OFFER_NEED_ENDED = Rule(
    "offer.need_ended", "The need is neither withdrawn nor decided", _UFTP + "Reference message revoked"
)
OFFER_GATE = Rule(
    "offer.gate_closed", "Offers arrive before the gate closes", _UFTP + "Reference message expired"
)
OFFER_SEALED = Rule(
    "offer.must_be_sealed", "Offers to this need are sealed", _SEALED + "the need asks for them"
)
OFFER_NOT_SEALED = Rule(
    "offer.must_be_open", "Offers to this need are not sealed", _SEALED + "the need does not ask for them"
)
OFFER_PERIOD = Rule(
    "offer.period", "The period is that of the need, and has not begun", _UFTP + "Reference Period mismatch"
)
OFFER_PRODUCT = Rule(
    "offer.product", "Service and direction are those of the need", _UFTP + "ServiceType rejected"
)
OFFER_STEP = Rule(
    "offer.step", "The intervals are those of the need, or of the agreement", _UFTP + "ISP duration rejected"
)
OFFER_POINT = Rule(
    "offer.point",
    "The connection points are those of the need, or below them",
    _UFTP + "Invalid CongestionPoint",
)
OFFER_BOUNDS = Rule(
    "offer.intervals", "Power is offered where it is needed, and some is", _UFTP + "ISPs out of bounds"
)
OFFER_CAP = Rule("offer.above_cap", "No option is dearer than the price cap", _CONTRACT + "price cap")
OFFER_CURRENCY = Rule(
    "offer.currency", "The currency is that of the need, or of the agreement", _UFTP + "Currency rejected"
)
OFFER_SMALL = Rule(
    "offer.too_small", "Each option reaches the least power that the need takes", _OWN + "least offer"
)
OFFER_EXPIRY = Rule(
    "offer.expiry",
    "An offer holds until the need is decided, and no longer than its period",
    _UFTP + "ExpirationDateTime out of bounds",
)
OFFER_UNSOLICITED = Rule(
    "offer.unsolicited", "The agreement takes unsolicited offers", _UFTP + "Unsolicited rejected"
)
OFFER_AGGREGATION = Rule(
    "offer.unknown_aggregation", "The aggregation is registered", _UFTP + "Unknown aggregation"
)
OFFER_AVAILABILITY = Rule(
    "offer.unknown_availability",
    "The declaration that the offer rests on was accepted",
    _UFTP + "Unknown D-PrognosisMessageID",
)
OFFER_CONFIRMATION = Rule(
    "offer.unknown_confirmation", "The confirmation is in force", _UFTP + "Unknown ContractID"
)
OFFER_ENDED = Rule(
    "offer.ended", "An offer that was revoked, ordered or lost stays so", _UFTP + "Reference message revoked"
)
OFFER_UNKNOWN = Rule(
    "offer.unknown", "An answer names an offer and its revision", _UFTP + "Unknown FlexOfferMessageID"
)
OFFER_BINDING = Rule(
    "offer.binding",
    "A sealed offer is not taken back after the gate",
    _SEALED + "who has seen the others cannot leave",
)
OFFER_EXPIRED = Rule("offer.expired", "The offer has not expired", _UFTP + "Reference message expired")

KEY_EARLY = Rule(
    "key.before_gate", "Keys come after the gate has closed", _SEALED + "nobody reads an offer before it"
)
KEY_LATE = Rule(
    "key.too_late", "Keys come by the time that the need names", _SEALED + "a key may not wait for the result"
)
KEY_UNSEALED = Rule("key.not_sealed", "The key is for an offer that is sealed", _SEALED + "opened once")
KEY_WRONG = Rule("key.wrong", "The key opens the offer to what was committed to", _SEALED + "commitment")
KEY_OTHER = Rule(
    "key.other_offer",
    "What is inside is the offer that the outside names",
    _SEALED + "commitment binds the name",
)

COUNTER_SUBMITTED = Rule(
    "counter.already_submitted",
    "The names of counter and order are not used yet",
    _UFTP + "Already Submitted",
)
COUNTER_SEALED = Rule(
    "counter.sealed", "Sealed offers are taken as they are, or not", _SEALED + "no dealing after opening"
)
COUNTER_UNIFORM = Rule(
    "counter.uniform",
    "Where one price clears, no price is dealt over",
    _CONTRACT + "clearing rule of the need",
)
COUNTER_PERIOD = Rule(
    "counter.period", "Period and intervals are those of the offer", _UFTP + "Reference Period mismatch"
)
COUNTER_EXPIRY = Rule(
    "counter.expiry",
    "A counter holds some time, and no longer than the offer",
    _UFTP + "ExpirationDateTime out of bounds",
)
COUNTER_PRICE = Rule(
    "counter.price", "The price is in the offer's currency, and not above the cap", _CONTRACT + "price cap"
)
COUNTER_UNKNOWN = Rule(
    "counter.unknown", "The answer names a counter that is open", _UFTP + "Unknown reference MessageID"
)
COUNTER_EXPIRED = Rule("counter.expired", "The counter has not expired", _UFTP + "Reference message expired")

ORDER_SUBMITTED = Rule(
    "order.already_submitted", "The name of an order is used once", _UFTP + "Already Submitted"
)
ORDER_UNOPENED = Rule(
    "order.not_opened", "A sealed offer is ordered after it is opened", _SEALED + "no deal on what none knows"
)
ORDER_OPTION = Rule("order.unknown_option", "The offer has this option", _UFTP + "Unknown OptionReference")
ORDER_GATE = Rule(
    "order.before_gate",
    "Orders come after the gate has closed, unless the need takes them early",
    _OWN + "all offers are compared",
)
ORDER_LATE = Rule("order.too_late", "Orders come by the decision day", _UFTP + "Reference message expired")
ORDER_TERMS = Rule(
    "order.terms",
    "Period, intervals, points, service and direction are those of the offer",
    _UFTP + "Reference Period mismatch",
)
ORDER_MORE = Rule(
    "order.more_than_offered", "No interval has more than was offered", _UFTP + "ISPs out of bounds"
)
ORDER_LESS = Rule(
    "order.less_than_minimum", "Each interval has at least the least fraction", _UFTP + "ActivationFactor"
)
ORDER_PRICE = Rule(
    "order.price",
    "The price is the offered one, or, at a uniform price, not below it and not above the cap; without an offer, within the "
    "agreement's cap and in its currency",
    _CONTRACT + "clearing rule of the need",
)
ORDER_TWO_PRICES = Rule(
    "order.two_prices", "A uniform price is one price", _CONTRACT + "clearing rule of the need"
)
ORDER_MORE_THAN_NEEDED = Rule(
    "order.more_than_needed", "All orders to a need stay within what it asked", _UFTP + "ISPs out of bounds"
)
ORDER_NO_OFFER = Rule(
    "order.without_offer",
    "An order without an offer is under a confirmation in force",
    _UFTP + "Unknown FlexOfferMessageID or ContractID",
)
ORDER_DEAL_PRODUCT = Rule(
    "order.deal_product",
    "An order under a confirmation is of its service and direction, at its points or below them",
    _CONTRACT + "terms of the confirmation",
)
ORDER_DEAL_TERM = Rule(
    "order.deal_term",
    "An order under a confirmation lies within its term",
    _CONTRACT + "terms of the confirmation",
)
ORDER_DEAL_POWER = Rule(
    "order.deal_power",
    "All orders under a confirmation stay within what it contracts, in every interval",
    _CONTRACT + "terms of the confirmation",
)
ORDER_PERIOD = Rule("order.period", "The period has not begun", _UFTP + "Period out of bounds")
ORDER_CONFLICT = Rule(
    "order.interval_conflict",
    "In no interval is more of an aggregation ordered than it declared available",
    _UFTP + "ISP conflict",
)

RESULT_EARLY = Rule(
    "result.too_early",
    "A result comes after the gate, and after the keys of sealed offers were due or given",
    _OWN + "all offers are compared",
)
RESULT_OFFERS = Rule(
    "result.offers",
    "The result speaks of each standing offer, and of no other",
    _UFTP + "Missing Settlement Items",
)
RESULT_VERDICT = Rule(
    "result.verdict", "What it says of an offer is what was ordered", _OWN + "results follow from orders"
)
RESULT_PRICE = Rule(
    "result.price", "A uniform clearing price is the price of the orders", _CONTRACT + "clearing rule"
)

RULES: tuple[Rule, ...] = tuple(value for value in tuple(globals().values()) if isinstance(value, Rule))
