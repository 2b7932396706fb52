"""The statement of account: by hand, the same bytes on both sides, and what a rule forbids."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from billing_world import DUE, Ledgers, answers, bill, credits_, disputes, pays, sold
from msgspec.structs import replace
from trade_world import AGGREGATOR, GSA, TEXT, UTILITY

from intertie.market.account import BUCKETS, ageing, bucket, items_under, statement_of
from intertie.market.billing import statement_hash
from intertie.market.book import Ledger, fold
from intertie.model.account import AccountStatement, EntryKind
from intertie.model.billing import Resolution
from intertie.model.errors import SettingsError
from intertie.model.ids import MessageId, PartyId
from intertie.model.interval import Window

JULY = Window(start=datetime(2026, 7, 1, 4, tzinfo=UTC), end=datetime(2026, 8, 1, 4, tzinfo=UTC))
AUGUST = Window(start=JULY.end, end=datetime(2026, 9, 1, 4, tzinfo=UTC))


def made(ledger: Ledger, period: Window = JULY, name: str = "A-1") -> AccountStatement:
    book = ledger.before((period.end, MessageId(""), PartyId("")))
    return statement_of(book.accounts, TEXT, name, period)


def july() -> Ledgers:
    """Two invoices and a fee, a payment, a dispute, its answer, a correction and a credit."""
    world = sold("100.00", "60.00")
    world.tell(UTILITY, bill("U-1", "30.00"), disputes("X-1", "I-1", l2=("60.00", "45.00")))
    world.tell(UTILITY, pays("P-1", {"I-1": "100.00"}, dispute="X-1"))
    world.tell(AGGREGATOR, answers("X-1", Resolution.SPLIT, l2="50.00"))
    world.tell(AGGREGATOR, bill("I-1-2", "148.00", corrects="I-1"), credits_("C-1", "I-1-2", l1="8.00"))
    return world


def test_by_hand() -> None:
    world = july()
    assert world.void() == []
    statement = made(world.ledger())
    rows = [(entry.kind, entry.name, entry.amount, entry.balance) for entry in statement.entries]
    assert rows == [
        (EntryKind.INVOICE, "I-1", 160, 160),
        (EntryKind.INVOICE, "U-1", -30, 130),
        (EntryKind.DISPUTE, "X-1", 0, 130),
        (EntryKind.PAYMENT, "P-1", -100, 30),
        (EntryKind.ANSWER, "X-1", -10, 20),
        (EntryKind.REPLACED, "I-1", -150, -130),
        (EntryKind.INVOICE, "I-1-2", 148, 18),
        (EntryKind.CREDIT, "C-1", -8, 10),
    ]
    assert (statement.opening, statement.closing, statement.as_of) == (0, 10, date(2026, 7, 31))
    buyer, seller = statement.ageing
    assert (buyer.days_1_30, buyer.total, seller.days_1_30, seller.total) == (40, 40, 30, 30)


def test_the_next_one_opens_where_this_one_closed() -> None:
    world = july()
    world.now = AUGUST.start + timedelta(days=3)
    world.tell(UTILITY, pays("P-2", {"I-1-2": "40.00", "U-1": "-30.00"}, on=date(2026, 8, 4)))
    first, second = made(world.ledger()), made(world.ledger(), AUGUST, "A-2")
    assert first == made(july().ledger())  # what came after changes nothing
    assert (second.opening, second.closing) == (first.closing, 0)
    assert [entry.name for entry in second.entries] == ["P-2"]


def test_the_other_side_makes_the_same_bytes() -> None:
    events = july().events
    backwards = Ledger()
    for event in reversed(events):
        backwards.add([event])
    one, other = made(fold(events)), made(backwards)
    assert msgspec.json.encode(one) == msgspec.json.encode(other)
    read = msgspec.json.decode(msgspec.json.encode(one), type=AccountStatement)
    assert msgspec.json.encode(read) == msgspec.json.encode(one)
    assert statement_hash(read) == statement_hash(other)


def test_a_message_that_one_side_lacks_shows() -> None:
    events = july().events
    one, other = made(fold(events)), made(fold(events[:-1]))
    assert statement_hash(one) != statement_hash(other)
    assert {entry.name for entry in one.entries} - {entry.name for entry in other.entries} == {"C-1"}


def test_accounts_that_go_on_are_refused() -> None:
    world = july()
    with pytest.raises(SettingsError, match="go on after"):
        statement_of(world.accounts, TEXT, "A-1", Window(start=JULY.start, end=world.now))


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (0, "not_due"), (1, "days_1_30"), (30, "days_1_30"), (31, "days_31_60"), (60, "days_31_60"),
        (61, "days_61_90"), (90, "days_61_90"), (91, "days_over_90"), (400, "days_over_90"), (-5, "not_due"),
    ],
)  # fmt: skip
def test_the_edges_of_the_buckets(days: int, expected: str) -> None:
    item = sold("100.00").item("I-1")
    assert bucket(item, DUE + timedelta(days=days)) == expected


def test_disputed_and_credit_have_buckets_of_their_own() -> None:
    world = sold("100.00")
    world.tell(AGGREGATOR, bill("I-2", "50.00"), bill("I-3", "-7.00"))
    world.tell(UTILITY, disputes("X-1", "I-1", l1=("100.00", "80.00")), pays("P-1", {"I-2": "53.00"}))
    found = ageing(items_under(world.accounts, GSA), UTILITY, DUE + timedelta(days=40))
    assert (found.days_31_60, found.disputed, found.credit, found.total) == (80, 20, -10, 90)
    assert ageing(items_under(world.accounts, GSA), AGGREGATOR, DUE).total == 0
    assert set(BUCKETS) < set(AccountStatement.__annotations__) | set(found.__struct_fields__)


@pytest.mark.rule("billing.account")
def test_what_a_statement_of_account_must_keep() -> None:
    world = july()
    world.now = AUGUST.start
    good = made(world.ledger())
    world.tell(UTILITY, good, good)  # once
    world.tell(UTILITY, replace(good, account="A-2", currency="EUR"))
    early = replace(good, account="A-3", period=Window(start=JULY.start, end=AUGUST.end))
    world.tell(UTILITY, early)
    assert world.void() == ["billing.account"] * 3
    assert world.accounts.statements["A-1"].sha256 == statement_hash(good)
    assert world.accounts.statements["A-1"].sender == UTILITY


def test_an_empty_time() -> None:
    statement = made(Ledgers().ledger())
    assert (statement.opening, statement.closing, statement.entries) == (Decimal(0), Decimal(0), ())
    assert statement == msgspec.json.decode(msgspec.json.encode(statement), type=AccountStatement)
