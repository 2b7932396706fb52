"""Random walks of invoices, corrections, credits, disputes and payments, beside a model in plain decimals."""

from __future__ import annotations

import os
import random
from datetime import date, timedelta
from decimal import Decimal

from billing_world import Ledgers, answers, bill, credits_, disputes, pays
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from trade_world import AGGREGATOR, GSA, TEXT, UTILITY

from intertie.market.account import ageing, balance, items_under, statement_of
from intertie.market.billing_state import allocation
from intertie.market.book import Ledger, fold
from intertie.market.dispute import State
from intertie.model.billing import Resolution
from intertie.model.ids import PartyId
from intertie.model.interval import Window

SIDES = st.sampled_from([UTILITY, AGGREGATOR])
CENTS = st.integers(1, 50_000).map(lambda n: Decimal(n).scaleb(-2))
SHARES = st.integers(1, 10)


class Paper:
    """The model: one line an invoice, and plain sums."""

    def __init__(self) -> None:
        self.issuer: dict[str, PartyId] = {}
        self.owed: dict[str, Decimal] = {}
        self.paid: dict[str, Decimal] = {}
        self.held: dict[str, Decimal] = {}

    def open(self, name: str) -> Decimal:
        return self.owed[name] - self.paid[name]

    def payable(self, name: str) -> Decimal:
        return self.open(name) - min(self.held[name], max(self.open(name), Decimal(0)))

    @property
    def balance(self) -> Decimal:
        return sum(
            (self.open(name) * (1 if self.issuer[name] == AGGREGATOR else -1) for name in self.owed),
            Decimal(0),
        )


class Walk(RuleBasedStateMachine):
    """What is said is said of a random open invoice; what the rules forbid must change nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.world = Ledgers()
        self.paper = Paper()
        self.count = 0
        # by name of the dispute: the invoice, what is claimed and expected; and what was rejected and may be answered again
        self.disputed: dict[str, tuple[str, Decimal, Decimal]] = {}
        self.rejected: set[str] = set()

    def name(self, kind: str) -> str:
        self.count += 1
        return f"{kind}-{self.count}"

    def pick(self, number: int, *, of: PartyId | None = None) -> str | None:
        names = sorted(n for n in self.paper.owed if of in (None, self.paper.issuer[n]))
        return names[number % len(names)] if names else None

    @rule(side=SIDES, amount=CENTS)
    def charge(self, side: PartyId, amount: Decimal) -> None:
        name = self.name("I")
        self.world.tell(side, bill(name, str(amount)))
        self.paper.issuer[name], self.paper.owed[name] = side, amount
        self.paper.paid[name] = self.paper.held[name] = Decimal(0)

    @rule(number=st.integers(0, 9), amount=CENTS)
    def correct(self, number: int, amount: Decimal) -> None:
        old = self.pick(number)
        if old is None:
            return
        new, paper = self.name("I"), self.paper
        self.world.tell(paper.issuer[old], bill(new, str(amount), corrects=old))
        paper.issuer[new], paper.owed[new], paper.held[new] = paper.issuer[old], amount, Decimal(0)
        paper.paid[new] = paper.paid[old]
        for part in (paper.issuer, paper.owed, paper.paid, paper.held):
            del part[old]  # type: ignore[attr-defined]
        self.disputed = {x: one for x, one in self.disputed.items() if one[0] != old}
        self.rejected &= set(self.disputed)

    @rule(number=st.integers(0, 9), share=SHARES)
    def credit(self, number: int, share: int) -> None:
        name = self.pick(number)
        if name is None:
            return
        amount = (self.paper.owed[name] * share / 8).quantize(Decimal("0.01"))
        if amount <= 0:
            return
        self.world.tell(self.paper.issuer[name], credits_(self.name("C"), name, l1=str(amount)))
        if amount <= self.paper.owed[name]:
            self.paper.owed[name] -= amount

    @rule(number=st.integers(0, 9), share=SHARES)
    def dispute(self, number: int, share: int) -> None:
        name = self.pick(number)
        if name is None:
            return
        owed = self.paper.owed[name]
        expected = (owed * (10 - share) / 10).quantize(Decimal("0.01"))
        if expected == owed:
            return
        payer = UTILITY if self.paper.issuer[name] == AGGREGATOR else AGGREGATOR
        x = self.name("X")
        self.world.tell(payer, disputes(x, name, l1=(str(owed), str(expected))))
        if any(about == name for about, _, _ in self.disputed.values()):
            return  # its line is disputed already
        self.paper.held[name] = max(owed - expected, Decimal(0))
        self.disputed[x] = name, owed, expected

    @rule(number=st.integers(0, 9), how=st.sampled_from(list(Resolution)), twice=st.booleans())
    def answer(self, number: int, how: Resolution, twice: bool) -> None:
        if not self.disputed:
            return
        x = sorted(self.disputed)[number % len(self.disputed)]
        name, claimed, expected = self.disputed[x]
        agreed = {
            Resolution.CONCEDED: expected,
            Resolution.REJECTED: claimed,
        }.get(how, ((claimed + expected) / 2).quantize(Decimal("0.01")))
        said = answers(x, how, "I-0" if how is Resolution.CORRECTED else None, l1=str(agreed))
        self.world.tell(self.paper.issuer[name], said)
        self.paper.owed[name], self.paper.held[name] = agreed, Decimal(0)
        if how is Resolution.REJECTED:
            self.rejected.add(x)
            return
        del self.disputed[x]
        self.rejected.discard(x)
        if twice:  # settled is settled
            self.world.tell(self.paper.issuer[name], answers(x, Resolution.CONCEDED, l1=str(expected)))

    @rule(
        number=st.integers(0, 9), cents=st.integers(1, 500), wrong=st.sampled_from(["side", "line", "amount"])
    )
    def answer_wrongly(self, number: int, cents: int, wrong: str) -> None:
        """By who raised it, about a line that is not disputed, or with an amount that nobody named: nothing changes."""
        if not self.disputed:
            return
        x = sorted(self.disputed)[number % len(self.disputed)]
        name, claimed, expected = self.disputed[x]
        other = UTILITY if self.paper.issuer[name] == AGGREGATOR else AGGREGATOR
        side = other if wrong == "side" else self.paper.issuer[name]
        beyond = max(claimed, expected) + Decimal(cents).scaleb(-2)
        amount = beyond if wrong == "amount" else claimed
        line = "l2" if wrong == "line" else "l1"
        self.world.tell(side, answers(x, Resolution.SPLIT, **{line: str(amount)}))

    @rule(number=st.integers(0, 9))
    def dispute_wrongly(self, number: int) -> None:
        """One's own invoice, or a line that it has not."""
        name = self.pick(number)
        if name is None:
            return
        issuer = self.paper.issuer[name]
        payer = UTILITY if issuer == AGGREGATOR else AGGREGATOR
        self.world.tell(issuer, disputes(self.name("X"), name, l1=("1.00", "0.00")))
        self.world.tell(payer, disputes(self.name("X"), name, l2=("1.00", "0.00")))

    @rule(side=SIDES, numbers=st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True), share=SHARES)
    def pay(self, side: PartyId, numbers: list[int], share: int) -> None:
        """Some of the other side's invoices, netted with one's own; sometimes too little, sometimes too much."""
        paper, lines = self.paper, {}
        for number in numbers:
            name = self.pick(number)
            if name is None:
                continue
            sign = -1 if paper.issuer[name] == side else 1
            lines[name] = sign * (paper.payable(name) * share / 8).quantize(Decimal("0.01"))
        if not lines or sum(lines.values()) < 0:
            return
        self.world.tell(side, pays(self.name("P"), {name: str(amount) for name, amount in lines.items()}))
        if all(self.allowed(side, name, amount) for name, amount in lines.items()):
            for name, amount in lines.items():
                paper.paid[name] += -amount if paper.issuer[name] == side else amount

    def allowed(self, side: PartyId, name: str, amount: Decimal) -> bool:
        paper = self.paper
        own = paper.issuer[name] == side
        taken, open_ = (-amount if own else amount), paper.open(name)
        if taken == 0:
            return True
        if open_ == 0 or (taken > 0) != (open_ > 0):
            return False
        if own and taken > paper.payable(name):
            return False
        return open_ > 0 or taken >= open_

    @rule()
    def repeat_the_last_payment(self) -> None:
        """Under another name, with the same bank reference: nothing is paid twice."""
        paid = [event for event in self.world.events if hasattr(event.body, "remittance")]
        if paid:
            body = paid[-1].body
            lines = {one.invoice: str(one.amount) for one in body.invoices}  # type: ignore[attr-defined]
            before = self.world.accounts
            self.world.tell(paid[-1].sender, pays(self.name("P"), lines, reference=body.reference))  # type: ignore[attr-defined]
            broken = self.world.ledger().voids[-1:]
            first = paid[-1].message in {void.event.message for void in self.world.ledger().voids}
            assert first or broken[0].rule.name == "billing.remittance_once"
            assert first or self.world.accounts == before

    @invariant()
    def both_say_the_same(self) -> None:
        accounts = self.world.accounts
        for name in self.paper.owed:
            item = accounts.items[name]
            assert (item.open, item.payable) == (self.paper.open(name), self.paper.payable(name))
            if 0 <= item.paid <= item.amount:
                assert sum(allocation(item), Decimal(0)) == item.paid
        assert balance(accounts, GSA) == self.paper.balance

    @invariant()
    def disputes_stand_as_on_paper(self) -> None:
        found = self.world.disputes
        for x in self.disputed:
            assert found[x].state is (State.REJECTED if x in self.rejected else State.OPEN)
        settled = {x for x, one in found.items() if one.state is State.RESOLVED}
        assert not settled & set(self.disputed)

    @invariant()
    def the_ageing_comes_to_the_balance(self) -> None:
        accounts = self.world.accounts
        items = items_under(accounts, GSA)
        for day in (date(2026, 7, 20), date(2026, 8, 27), date(2027, 1, 1)):
            buyer, seller = (ageing(items, who, day) for who in (UTILITY, AGGREGATOR))
            assert buyer.total - seller.total == balance(accounts, GSA)

    def teardown(self) -> None:
        """In any order, and cut anywhere, both sides make the same statement."""
        events = list(self.world.events)
        shuffled = Ledger()
        for event in random.Random(len(events)).sample(events, len(events)):
            shuffled.add([event])
        assert shuffled.digest() == fold(events).digest()
        period = Window(start=TEXT.effective, end=self.world.now + timedelta(seconds=1))
        one, other = (
            statement_of(ledger.book.accounts, TEXT, "A-1", period) for ledger in (shuffled, fold(events))
        )
        assert one == other
        assert one.closing == self.paper.balance
        broken = {void.rule.name for void in shuffled.voids}
        assert broken <= {f"billing.{name}" for name in FORBIDDEN} | {f"dispute.{name}" for name in QUARRELS}


# What a walk may run into; anything else would be a fault of the walk.
QUARRELS = ("payer", "line", "once", "unknown", "answer", "agreed")
FORBIDDEN = ("paid_twice", "credit_used", "netting", "remittance_once", "credit")
SOAK = os.environ.get("INTERTIE_SOAK") == "1"
Walk.TestCase.settings = settings(
    max_examples=400 if SOAK else 80, stateful_step_count=60 if SOAK else 20, deadline=None
)
TestWalk = Walk.TestCase
