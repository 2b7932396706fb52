"""Steps of billing: either side charges, corrects, credits, disputes, answers and pays, often of what has changed meanwhile."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from hypothesis import strategies as st
from hypothesis.stateful import rule
from msgspec.structs import replace
from tests.exchange.house import AGGREGATOR, UTILITY
from tests.exchange.two_sides import other
from tests.exchange.walk import NUMBERS, PARTIES, Walk, pick
from tests.unit.market.billing_world import answers, bill, credits_, disputes, pays
from tests.unit.market.grid_cases import AGREEMENT, window

from intertie.market.account import ageing, balance, items_under, statement_of
from intertie.market.billing import local_day
from intertie.market.billing_state import Item
from intertie.market.book import Book
from intertie.model.agreement import BaseContract
from intertie.model.billing import Resolution
from intertie.model.ids import PartyId
from intertie.model.interval import Window

AMOUNTS = st.sampled_from(["10.00", "25.50", "0.01", "-3.00"])
NAMES = st.integers(1, 9)
PARTS = st.sampled_from([4, 4, 2, 1, 5])  # of four: all, half, a quarter, too much


class BillingSteps(Walk):
    """What is said is of an invoice that the speaker's own book has; that the other side has moved on is the point."""

    def terms(self, energy: bool) -> BaseContract:
        text = super().terms(energy)
        elections = replace(text.elections, late_interest_percent_per_year=Decimal(9), payment_days=0)
        return replace(text, elections=elections)

    def prepare(self) -> None:
        """Each side has charged twice."""
        super().prepare()
        for number in (7, 8):
            for party in (UTILITY, AGGREGATOR):
                self.charge(party, number, "25.50", "10.00", 1)
        self.two.settle()

    def day(self) -> date:
        return local_day(self.terms(False), self.two.now)

    def invoices(self, party: PartyId, *, own: bool | None = None) -> list[Item]:
        found = items_under(self.see(party).accounts, AGREEMENT)
        return [item for item in found if own in (None, item.issuer == party)]

    @rule(party=PARTIES, name=NAMES, amount=AMOUNTS, more=AMOUNTS, old=NUMBERS)
    def charge(self, party: PartyId, name: int, amount: str, more: str, old: int) -> None:
        """Now and then a correction of one of its own."""
        known = self.invoices(party, own=True)
        corrects = pick(known, old).invoice.invoice if known and old % 3 == 0 else None
        today = self.day()
        body = bill(
            f"{'I' if party == AGGREGATOR else 'U'}-{name}",
            amount,
            more,
            period=window(-12, -2),
            issued=today,
            due=today + timedelta(days=4),
            corrects=corrects if corrects != f"{'I' if party == AGGREGATOR else 'U'}-{name}" else None,
        )
        self.try_(party, body)

    @rule(party=PARTIES, number=NUMBERS, name=NAMES)
    def credit(self, party: PartyId, number: int, name: int) -> None:
        known = self.invoices(party, own=True)
        if known:
            about = pick(known, number).invoice.invoice
            self.try_(party, credits_(f"C-{party[:1]}-{name}", about, issued=self.day(), l1="5.00"))

    @rule(party=PARTIES, number=NUMBERS, name=NAMES)
    def dispute(self, party: PartyId, number: int, name: int) -> None:
        known = self.invoices(party, own=False)
        if known:
            item = pick(known, number)
            claimed = item.lines[0].claimed
            one = (str(claimed), str(claimed - Decimal("2.00")))
            self.try_(party, disputes(f"X-{party[:1]}-{name}", item.invoice.invoice, l1=one))

    @rule(party=PARTIES, number=NUMBERS, resolution=st.sampled_from([Resolution.SPLIT, Resolution.REJECTED]))
    def answer(self, party: PartyId, number: int, resolution: Resolution) -> None:
        open_ = [
            (name, item)
            for item in self.invoices(party, own=True)
            for name in item.disputes
            if item.lines[0].held
        ]
        if open_:
            name, item = pick(open_, number)
            less = Decimal("1.00") if resolution is Resolution.SPLIT else Decimal(0)
            self.try_(party, answers(name, resolution, l1=str(item.lines[0].claimed - less)))

    @rule(party=PARTIES, number=NUMBERS, name=NAMES, part=PARTS, net=st.booleans())
    def pay(self, party: PartyId, number: int, name: int, part: int, net: bool) -> None:
        theirs = [item for item in self.invoices(party, own=False) if item.open]
        if not theirs:
            return
        item = pick(theirs, number)
        lines = {item.invoice.invoice: str((item.payable * part / 4).quantize(Decimal("0.01")))}
        own = [item for item in self.invoices(party, own=True) if item.payable > 0]
        if net and own:
            mine = pick(own, number)
            lines[mine.invoice.invoice] = str(-min(mine.payable, max(item.payable, Decimal(0))))
        if sum(map(Decimal, lines.values())) >= 0:
            self.try_(party, pays(f"P-{party[:1]}-{name}", lines, on=self.day()))

    @rule(number=NUMBERS, name=NAMES)
    def both_pay(self, number: int, name: int) -> None:
        """Both net the same two invoices, and their payments cross."""
        for party in (UTILITY, AGGREGATOR):
            self.pay(party, number, name, 4, True)
        self.cross()

    @rule(number=NUMBERS, name=NAMES)
    def correct_what_is_paid(self, number: int, name: int) -> None:
        """A correction and the payment of what it replaces cross."""
        self.pay(UTILITY, number, name, 4, False)
        self.charge(AGGREGATOR, name, "10.00", "-3.00", number * 3)
        self.cross()

    @rule(party=PARTIES, name=NAMES)
    def state(self, party: PartyId, name: int) -> None:
        """A statement of account of all that its own book has so far, if its clock is not behind."""
        accounts, end = self.see(party).accounts, self.two.now
        if all(entry.received < end for entry in accounts.entries):
            period = Window(start=end - timedelta(days=99), end=end)
            self.try_(party, statement_of(accounts, self.terms(False), f"A-{name}", period))

    def look(self, book: Book) -> None:
        super().look(book)
        due = balance(book.accounts, AGREEMENT)
        items = items_under(book.accounts, AGREEMENT)
        both = [ageing(items, who, self.day()) for who in (UTILITY, AGGREGATOR)]
        assert both[0].total - both[1].total == due
        opens = [item.open if item.issuer == AGGREGATOR else -item.open for item in items]
        assert sum(opens, Decimal(0)) == due
        remitted = [one.remittance for item in items for one in item.payments]
        assert set(remitted) <= set(book.accounts.remittances)
        assert all(item.payer == other(item.issuer) for item in items)
