"""The ledger: one order whatever the order of arrival, late events, snapshots, and the digest."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from trade_world import AGGREGATOR, GSA, T0, TEXT, UTILITY, World, signature

from intertie.market.book import SNAPSHOT_EVERY, Book, Ledger, digest, fold, place
from intertie.market.event import Broken
from intertie.model.agreement import ContractAction


def busy() -> World:
    """Suspended and resumed often: more events than one snapshot, some of them void."""
    world = World().signed()
    for number in range(SNAPSHOT_EVERY):
        by = UTILITY if number % 3 else AGGREGATOR
        world.notice(by, ContractAction.SUSPEND)
        world.notice(UTILITY, ContractAction.RESUME)
    return world


BUSY = busy().events
WHOLE = fold(BUSY)


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(len(BUSY))), st.integers(1, len(BUSY)))
def test_any_order_of_arrival_gives_the_same_book(order: list[int], at_once: int) -> None:
    ledger = Ledger()
    for first in range(0, len(order), at_once):
        ledger = ledger.plus(BUSY[place] for place in order[first : first + at_once])
    assert ledger.digest() == WHOLE.digest() and ledger.voids == WHOLE.voids and ledger.events == WHOLE.events


def test_there_is_something_void_in_it() -> None:
    assert 0 < len(WHOLE.voids) < len(BUSY) and len(BUSY) > 2 * SNAPSHOT_EVERY


def test_an_event_twice_changes_nothing_and_plus_leaves_the_old_one() -> None:
    half = fold(BUSY[:70])
    before = half.digest()
    assert half.plus(BUSY).digest() == WHOLE.digest() and half.digest() == before
    assert half.plus(BUSY[:70]).digest() == before and half.last == BUSY[69].received


@given(st.integers(0, len(BUSY) - 1), st.integers(0, 3))
def test_the_book_before_a_place_is_that_of_the_events_before_it(at: int, more: int) -> None:
    extra = BUSY[max(0, at - more) : at]
    without = fold(event for event in BUSY if event not in extra)
    assert without.before(place(BUSY[at]), extra) == fold(BUSY[:at]).book


def test_a_check_in_its_place_does_not_see_what_comes_later() -> None:
    world = World()
    early = world.sign(AGGREGATOR)
    world.say(UTILITY, TEXT)
    ledger = fold(world.events[1:])
    try:
        ledger.check(early)
    except Broken as broken:
        assert broken.rule.name == "contract.known"
    else:
        raise AssertionError("signed before it was proposed")
    ledger.check(early._replace(received=world.now + timedelta(seconds=1)))


def test_one_id_from_both_parties_is_two_events() -> None:
    world = World()
    first = world.say(UTILITY, TEXT)
    twin = first._replace(sender=AGGREGATOR, recipient=UTILITY, body=signature())
    ledger = fold([first, twin])
    assert len(ledger.events) == 2 and place(first) != place(twin)


def test_the_digest_says_every_field_and_every_void_message() -> None:
    books = {digest(Book()), WHOLE.digest(), digest(WHOLE.book)}
    world = World().signed(replace(TEXT, special_provisions="one word"))
    books |= {world.ledger().digest(), World().signed().ledger().digest()}
    assert len(books) == 5
    known = World().signed().ledger().book.contracts[GSA]
    assert known.signed_at == T0 + timedelta(minutes=3)
