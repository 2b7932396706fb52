"""One run: events in the order of a virtual clock, drawn from a seed, until nothing is on its way any more."""

from __future__ import annotations

import hashlib
import heapq
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from intertie.exchange.outbound import FINAL, State
from intertie.gateway.gateway import LinkAnswer, Peer
from intertie.gateway.ports import Query, Store
from intertie.gateway.receiving.accept_parcel import accept
from intertie.gateway.sending.answers import Delivery
from intertie.gateway.sending.cancel import cancel
from intertie.gateway.sending.deliver import deliver_once
from intertie.gateway.sending.escalate import escalate, tell_next
from intertie.gateway.sending.expire import expire
from intertie.gateway.sending.resend import resend
from intertie.gateway.sending.send_message import Outgoing, send, send_raw
from intertie.model.errors import IntertieError, PartnerError, Refused
from intertie.model.ids import ConversationId, InterfaceCode, MessageId, PartyId
from sim.disk import Crash, Strike
from sim.network import Post, SimLink
from sim.world import AGREED, DISAGREED, PARTIES, SAID, SMALL, START, UTILITY, Site, body_of, make_site

# Seconds of trouble, then the world heals; nothing may be on its way long after that.
TROUBLE = 60.0
BUSY = 45.0
HORIZON = 4 * 3600.0
# How long a sender waits for an answer.
PATIENCE = 10.0
LIVES = (20.0, 60.0, 180.0, 600.0)
# At each look; more than ever escalate at once here.
MAILS = 50
# What somebody between two sites answers.
ODD_ANSWERS = (
    LinkAnswer(200, b"<html>welcome</html>", None),
    LinkAnswer(200, b"", None),
    LinkAnswer(302, b"", None),
    LinkAnswer(404, b"nobody here", None),
    LinkAnswer(429, b'{"code":"rate_limited","retry":true}', 20.0),
    LinkAnswer(502, b"bad gateway", None),
    LinkAnswer(524, b"", None),
)


@dataclass(frozen=True)
class Rates:
    """How bad a world is: drawn for each seed."""

    lost: float
    doubled: float
    odd: float
    slow: float  # seconds, on average
    struck: float  # of writes
    workers: int  # deliveries to one partner at the same time
    skew: float  # seconds, at most
    step: bool  # a clock is set two hours forward or back
    small: bool  # the utility takes fewer messages in a parcel than others put into one
    trouble: bool  # a partner is suspended for a while, or removed for good


@dataclass
class Result:
    """What a run left."""

    seed: int
    steps: int = 0
    trace: list[str] = field(default_factory=list)
    sites: dict[PartyId, Site] = field(default_factory=dict)
    # What was promised: messages that `send` gave an id for, and receipts that were handed out.
    promised: list[tuple[PartyId, MessageId]] = field(default_factory=list)
    receipts: list[tuple[PartyId, PartyId, bytes]] = field(default_factory=list)
    parcels: dict[str, set[str]] = field(default_factory=dict)  # id to digests that were seen on the wire
    struck: Counter[tuple[str, Strike]] = field(default_factory=Counter)
    rates: Rates | None = None
    settled: float | None = None  # seconds after which nothing was on its way
    ended: dict[PartyId, datetime] = field(default_factory=dict)  # what each clock said then

    @property
    def digest(self) -> str:
        """Two runs of a seed have the same."""
        return hashlib.sha256("\n".join(self.trace).encode()).hexdigest()


def draw_rates(chance: random.Random) -> Rates:
    """Half of the worlds are mild, some are terrible."""
    bad = chance.choice((0.0, 0.05, 0.15, 0.35))
    return Rates(
        lost=bad,
        doubled=chance.choice((0.0, 0.1, 0.3)),
        odd=chance.choice((0.0, 0.05, 0.2)),
        slow=chance.choice((0.05, 0.5, 4.0)),
        struck=chance.choice((0.0, 0.03, 0.1)),
        workers=chance.choice((1, 1, 2)),
        skew=chance.choice((0.0, 2.0, 25.0)),
        step=chance.random() < 0.25,
        small=chance.random() < 0.25,
        trouble=chance.random() < 0.25,
    )


class Simulation:
    """A world that runs once."""

    def __init__(
        self,
        seed: int,
        *,
        make_store: Callable[[PartyId], Store] | None = None,
        messages: int = 20,
        accept: Callable[..., bytes] = accept,
    ) -> None:
        self.chance = random.Random(seed)
        self.result = Result(seed, rates=draw_rates(self.chance))
        self.rates = self.result.rates or draw_rates(self.chance)
        self.now = 0.0
        self.healed = False
        self.messages = messages
        self.link = SimLink(lambda: self.healed or self.chance.random() >= self.rates.odd)
        self.accept = accept
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self.steps_max = 0
        more = {} if make_store is None else {"make_store": make_store}
        for party in PARTIES:
            say = partial(self.say, party)
            self.result.sites[party] = make_site(party, self.chance, say, **more)
        for site in self.result.sites.values():
            site.skew = timedelta(seconds=self.chance.uniform(-self.rates.skew, self.rates.skew))

    # Time

    def say(self, who: str, what: str) -> None:
        """A line of the trace."""
        self.result.trace.append(f"{self.now:10.3f} {who.partition('.')[0]:8} {what}")

    def at(self, delay: float, event: Callable[[], None]) -> None:
        """Later."""
        self._count += 1
        heapq.heappush(self._events, (self.now + delay, self._count, event))

    def clock(self, site: Site) -> datetime:
        """What a site's clock says."""
        return START + timedelta(seconds=self.now) + site.skew

    def run(self, steps: int = 0) -> Result:
        """Until all is done, or so many steps; what came of it is for sim/check.py to judge."""
        self._schedule()
        while self._events and self.now < HORIZON and (not steps or self.result.steps < steps):
            self.now, _, event = heapq.heappop(self._events)
            self.result.steps += 1
            event()
            if self.healed and self._settled():
                self.result.settled = self.now
                break
        for site in self.result.sites.values():
            self.result.struck.update(site.disk.struck)
            self.result.ended[site.party] = self.clock(site)
        return self.result

    def _schedule(self) -> None:
        sites = list(self.result.sites.values())
        for site in sites:
            site.disk.rate = self.rates.struck
            if self.rates.small and site.party == UTILITY:
                site.gateway = replace(site.gateway, limits=SMALL)
            self.at(self.chance.random(), partial(self.tick, site, site.life))
        for _ in range(self.messages):
            self.at(
                self.chance.uniform(0, BUSY), partial(self.act, self.chance.choice(sites), self.say_something)
            )
        for _ in range(self.messages // 4):
            self.at(
                self.chance.uniform(0, TROUBLE), partial(self.act, self.chance.choice(sites), self.take_back)
            )
        for _ in range(self.messages // 4):
            self.at(
                self.chance.uniform(10, TROUBLE * 2), partial(self.act, self.chance.choice(sites), self.again)
            )
        if self.rates.step:
            by = timedelta(hours=self.chance.choice((-2, 2)))
            self.at(self.chance.uniform(5, BUSY), partial(self.step_clock, self.chance.choice(sites), by))
        if self.rates.trouble:
            self.at(self.chance.uniform(5, BUSY), partial(self.part, self.chance.choice(sites)))
        self.at(TROUBLE, self.heal)

    def heal(self) -> None:
        """Nothing goes wrong from now on."""
        self.say("world", "heals")
        self.healed = True
        for site in self.result.sites.values():
            site.disk.rate = 0.0

    def _settled(self) -> bool:
        return self.now > 2 * TROUBLE and all(
            row.state in FINAL
            for site in self.result.sites.values()
            for row in site.store.messages(Query(outgoing=True, limit=10_000, bodies=False))
        )

    # What happens at a site

    def act(self, site: Site, do: Callable[[Site], None]) -> None:
        """What a person or a program does there; if it is down, a little later."""
        if not site.up:
            self.at(self.chance.uniform(1, 5), partial(self.act, site, do))
            return
        try:
            do(site)
        except Crash:
            self.crash(site)
        except IntertieError as error:
            self.say(site.party, f"{getattr(do, '__name__', 'act')}: {type(error).__name__}")
        else:
            self.kick(site)

    def crash(self, site: Site) -> None:
        """The process is gone; it is started again some time later."""
        site.up = False
        site.life += 1
        site.sending.clear()
        self.say(site.party, "crashed")
        self.at(self.chance.uniform(0.5, 8), partial(self.start, site))

    def start(self, site: Site) -> None:
        """A new process over the same store."""
        self.say(site.party, "started")
        site.up = True
        self.at(self.chance.random(), partial(self.tick, site, site.life))

    def tick(self, site: Site, life: int) -> None:
        """What a gateway does by itself, again and again."""
        if site.life != life:
            return
        now = self.clock(site)
        try:
            for message in expire(site.gateway, now):
                self.say(site.party, f"expired {message}")
            for one in escalate(site.gateway, now):
                self.say(site.party, f"escalated {one.message} {one.state}")
            for _ in range(MAILS):
                if tell_next(site.gateway, site, partial(self.clock, site)) is None:
                    break
                self.say(site.party, "a mail is sent")
        except Crash:
            self.crash(site)
            return
        except IntertieError as error:
            self.say(site.party, f"tick: {error.why}")
        self.kick(site)
        calm = 4.0 if self.now < 3 * TROUBLE else self.now / 30
        self.at(self.chance.uniform(1.0, calm), partial(self.tick, site, life))

    def kick(self, site: Site) -> None:
        """Deliver to every partner that has something due."""
        for party in site.gateway.store.next_partners(self.clock(site)):
            if site.sending.get(party, 0) < self.rates.workers:
                self.deliver(site, party)

    def say_something(self, site: Site) -> None:
        """One message, or a few in one go; sometimes the same bytes once more."""
        others = [p.party for p in site.book.all()]
        if not others:
            return
        document, mode = self.chance.choice(SAID[site.party])
        talk = self.chance.choice((None, "c1", "c2"))
        outgoing = Outgoing(
            body=body_of(document),
            recipient=self.chance.choice(others),
            interface=InterfaceCode("DA"),
            mode=mode,
            agreement=DISAGREED if self.chance.random() < 0.1 else AGREED,
            conversation=None if talk is None else ConversationId(talk),
            expires=self.clock(site) + timedelta(seconds=self.chance.choice(LIVES)),
        )
        ids = send(site.gateway, [outgoing] * self.chance.choice((1, 1, 1, 3)), self.clock(site))
        self.say(site.party, f"sends {document} to {outgoing.recipient} in {talk}: {' '.join(ids)}")
        self.result.promised += [(site.party, message) for message in ids]
        if self.chance.random() < 0.1:
            row = site.store.message(ids[0], outgoing=True)
            assert row is not None
            send_raw(site.gateway, row.body, self.clock(site))

    def take_back(self, site: Site) -> None:
        """Cancel something."""
        rows = site.store.messages(Query(outgoing=True, limit=1000, bodies=False))
        rows = [row for row in rows if row.state is State.QUEUED] or rows
        if rows:
            row = self.chance.choice(rows)
            done = cancel(site.gateway, row.id, self.clock(site))
            self.say(site.party, f"takes back {row.id}: {done}")

    def again(self, site: Site) -> None:
        """Send a dead letter again."""
        dead = site.store.dead_letters()
        if dead:
            row = self.chance.choice(dead)
            new = resend(site.gateway, row.id, self.clock(site))
            self.say(site.party, f"sends {row.id} again as {new}")
            self.result.promised.append((site.party, new))

    def step_clock(self, site: Site, by: timedelta) -> None:
        """Somebody sets a clock."""
        self.say(site.party, f"clock stepped by {by}")
        site.skew += by

    def part(self, site: Site) -> None:
        """A partner is suspended for a while, or removed."""
        other = self.chance.choice(site.book.all()).party
        if self.chance.random() < 0.3:
            self.say(site.party, f"removes {other}")
            site.book.partners.pop(other)
            return
        self.say(site.party, f"suspends {other}")
        site.book.suspend(other, True)
        if self.chance.random() < 0.7:
            self.at(self.chance.uniform(5, 60), partial(site.book.suspend, other, False))

    # Deliveries

    def deliver(self, site: Site, party: PartyId) -> None:
        """Begin one."""
        site.sending[party] = site.sending.get(party, 0) + 1
        clock = partial(self.clock, site)
        it = deliver_once(site.gateway, self.link, party, clock, self.chance.random)
        self.go_on(site, site.life, party, it, None)

    def go_on(
        self,
        site: Site,
        life: int,
        party: PartyId,
        it: Coroutine[Post, LinkAnswer, Delivery | None],
        answer: LinkAnswer | PartnerError | None,
    ) -> None:
        """Let a delivery run until it asks the network, or ends."""
        if site.life != life:  # it was in a process that is gone
            it.close()
            return
        again = False
        try:
            ask = it.throw(answer) if isinstance(answer, PartnerError) else it.send(answer)  # type: ignore[arg-type]
        except StopIteration as end:
            again = end.value is not None and end.value.receipted
            if end.value is not None:
                self.say(site.party, f"delivery {end.value.parcel}: {end.value.detail[:60] or 'receipted'}")
        except Crash:
            self.crash(site)
            return
        except IntertieError as error:
            self.say(site.party, f"delivery: {error.why}")
        else:
            self.travel(site, life, party, it, ask)
            return
        site.sending[party] -= 1
        if again:
            self.kick(site)

    def travel(
        self,
        site: Site,
        life: int,
        party: PartyId,
        it: Coroutine[Post, LinkAnswer, Delivery | None],
        ask: Post,
    ) -> None:
        """A parcel leaves. What the sender hears comes once, whatever arrives there and how often."""
        digest = hashlib.sha256(ask.blob).hexdigest()
        header = ask.blob[8:400].partition(b'"parcel":"')[2][:36].decode()
        self.result.parcels.setdefault(header, set()).add(digest)
        heard: list[bool] = []

        def hear(answer: LinkAnswer | PartnerError) -> None:
            if not heard:
                heard.append(True)
                self.go_on(site, life, party, it, answer)

        there = self.result.sites[ask.to]
        self.at(PATIENCE, lambda: hear(PartnerError("no answer in time")))
        fate = self.chance.random()
        lost = 0.0 if self.healed else self.rates.lost
        odd = 0.0 if self.healed else self.rates.odd
        self.say(site.party, f"posts {header} to {party}")
        if fate < lost:
            return
        if fate < lost + odd:
            answer = self.chance.choice(ODD_ANSWERS)
            self.at(self.delay(), lambda: hear(answer))
            if self.chance.random() < 0.5:
                self.at(self.delay(), partial(self.arrive, there, site, ask.blob, lambda _: None))
            return
        self.at(self.delay(), partial(self.arrive, there, site, ask.blob, hear))
        if not self.healed and self.chance.random() < self.rates.doubled:
            self.at(self.delay() * 3, partial(self.arrive, there, site, ask.blob, lambda _: None))

    def delay(self) -> float:
        """How long something is on its way."""
        return 0.02 if self.healed else self.chance.expovariate(1 / self.rates.slow)

    def arrive(
        self, there: Site, sender: Site, blob: bytes, hear: Callable[[LinkAnswer | PartnerError], None]
    ) -> None:
        """A parcel comes to a door."""
        if not there.up:
            hear(PartnerError("connection refused"))
            return
        try:
            receipt = self.accept(there.gateway, blob, peer=Peer(sender.party), now=self.clock(there))
        except Crash:
            self.crash(there)
            self.at(self.delay(), lambda: hear(PartnerError("connection reset")))
            return
        except Refused as refused:
            self.say(there.party, f"refuses a parcel: {refused.code}")
            retry = b"true" if refused.retry else b"false"
            body = b'{"code":"%s","detail":"","retry":%s}' % (refused.code.value.encode(), retry)
            answer = LinkAnswer(refused.rule.http, body, None)
        except IntertieError as error:
            self.say(there.party, f"cannot take a parcel: {error.why}")
            answer = LinkAnswer(503, b"", None)
        else:
            self.say(there.party, "answers with a receipt")
            self.result.receipts.append((there.party, sender.party, receipt))
            answer = LinkAnswer(200, receipt, None)
        if self.healed or self.chance.random() >= self.rates.lost:
            self.at(self.delay(), lambda: hear(answer))


def simulate(seed: int, steps: int = 0, **options: Any) -> Result:
    """One run of a seed."""
    return Simulation(seed, **options).run(steps)
