"""What a serving gateway does by itself: delivery loops for each partner, and the housekeeping of each second."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import random
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial

from intertie.bindings.mail_smtp.escalations import Escalations
from intertie.bindings.operations.link import MeteredLink
from intertie.bindings.operations.metrics import Meter
from intertie.bindings.parcel_https.pull_client import PullLink
from intertie.bindings.parcel_https.serving import DRAIN_SECONDS
from intertie.gateway.attaching.upload import Uploads
from intertie.gateway.partners.descriptors import Announcer, fetch_descriptor
from intertie.gateway.partners.prove_partner import answer_proofs
from intertie.gateway.receiving.fetch import Fetches
from intertie.gateway.relaying.deliver_relayed import deliver_relayed, end_relayed
from intertie.gateway.sending.answers import Delivery
from intertie.gateway.sending.deliver import deliver_once
from intertie.gateway.sending.expire import expire
from intertie.gateway.sending.lanes import AllLanes, Lane
from intertie.gateway.sending.turns import Turns
from intertie.gateway.trading.open_offers import open_sealed
from intertie.gateway.translating.deliver_translated import deliver_translated
from intertie.gateway.translating.file_link import FileLink
from intertie.model.errors import IntertieError
from intertie.model.ids import PartyId
from intertie.run.foreign import ForeignPosts
from intertie.run.opening import Opened, street_link

LOG = logging.getLogger("intertie.run")
# How soon a message that another process queued begins its way.
WATCH_SECONDS = 0.02
# Retries, expiries and new partners are looked for this often.
TICK_SECONDS = 1.0
# How timely receipts came is kept in spans for this long, and as one sum after it.
TIMELINESS_KEPT = timedelta(days=1)
# Parcels to partners that get nothing more are looked at every so many ticks: they have nobody to wait for.
SEALED_TICKS = 30
# Where several processes deliver, each looks at every partner only every so many ticks; between, at those who have something due.
SHARED_TICKS = 5

# The lanes that find out whether a door that failed answers again: whichever has something to bring there.
_PROBING = (Lane.FIRST, Lane.RELAY)


class Deliveries:
    """Delivery loops for each partner, woken when the store changes; and expiry, each second."""

    def __init__(self, it: Opened, meter: Meter, *, first: bool = True) -> None:
        self._it = it
        self._meter = meter
        self._first = first  # of the processes in this directory
        self._turns = Turns(it.gateway.store)
        self._escalations = Escalations(it.gateway, it.mailer, it.clock, meter.escalated)
        self._ticks = 0
        self._unopened = ""  # why a sealed offer could not be opened
        self._away = False  # the store: a database that is started again, say
        self._stopping = threading.Event()
        self._lanes = AllLanes()
        # Partners whose descriptor we should ask for: filled by the street door's thread.
        self._foreign: ForeignPosts | None = None  # made in the loop that posts
        self._stale: queue.SimpleQueue[PartyId] = queue.SimpleQueue()

    def ask_for(self, party: PartyId) -> None:
        """This partner's descriptor is out of date here; from any thread."""
        self._stale.put(party)

    def run(self) -> None:
        """Deliver until `stop`; for a thread."""
        asyncio.run(self._run())

    def run_fetching(self) -> None:
        """Only ask for descriptors that are out of date, until `stop`; for a thread of a worker that does not deliver."""
        asyncio.run(self._run_fetching())

    def stop(self) -> None:
        """Begin nothing new; from any thread."""
        self._stopping.set()

    async def _run(self) -> None:
        way = street_link(self._it, self._meter.tracer)
        self._foreign = ForeignPosts(self._it)
        clock = self._it.clock
        both = FileLink(way, self._foreign.put, lambda: clock().date())
        link = MeteredLink(both, self._meter, clock, random.random)
        announcer = Announcer(self._it.gateway, link, self._it.descriptor.present)
        files = street_link(self._it)  # connections of its own: files do not hold up parcels
        uploads = Uploads(self._it.gateway, files, clock, random.random, lambda party: self._wake())
        coming = PullLink(street_link(self._it), self._it.settings)
        fetches = Fetches(self._it.gateway, coming, link, clock, random.random, self.ask_for)
        tasks: dict[tuple[PartyId, Lane], asyncio.Task[None]] = {}
        fetching: dict[PartyId, asyncio.Task[None]] = {}
        seen, ticked = -1, float("-inf")
        loop = asyncio.get_running_loop()
        self._it.store.on_queued(partial(self._queued, loop))
        try:
            while not self._stopping.is_set():
                changed, tick = self._changed(seen), time.monotonic()
                if tick - ticked >= TICK_SECONDS:
                    ticked = tick
                    self._ticks += 1
                    if self._turns.keeps_house():
                        self._expire()
                        self._escalations.look()
                        self._answer_proofs()
                        self._end_relayed()
                        uploads.step()
                    if self._first:
                        self._turn_keys()
                        self._open_offers()  # the keys are in this directory, whoever keeps house
                    self._keep_timeliness()
                    self._start_loops(tasks, link, announcer)
                    if self._first and not self._it.settings.street.is_open:
                        fetches.start()
                    if self._it.store.shared and self._ticks % SHARED_TICKS:
                        self._wake_due()
                    else:
                        self._wake()
                elif changed != seen:
                    self._wake_due()
                seen = changed
                self._fetch_stale(fetching, link)
                for task in tasks.values():
                    if task.done():
                        task.result()  # a loop ends only by a mistake in this program: end loudly
                await asyncio.sleep(TICK_SECONDS if self._away else WATCH_SECONDS)
            self._wake()
            if ending := {*tasks.values(), *fetches.end()}:
                await asyncio.wait(ending, timeout=DRAIN_SECONDS)
        finally:
            for task in (*tasks.values(), *fetching.values()):
                task.cancel()
            await asyncio.gather(*tasks.values(), *fetching.values(), return_exceptions=True)
            await self._escalations.aclose()
            for each in (fetches, uploads, files, coming, way):
                await each.aclose()
            if self._foreign is not None:
                await self._foreign.aclose()
            self._keep_timeliness()

    async def _run_fetching(self) -> None:
        way = street_link(self._it, self._meter.tracer)
        link = MeteredLink(way, self._meter, self._it.clock, random.random)
        fetching: dict[PartyId, asyncio.Task[None]] = {}
        while not self._stopping.is_set():
            self._fetch_stale(fetching, link)
            await asyncio.sleep(WATCH_SECONDS)
        for task in fetching.values():
            task.cancel()
        await asyncio.gather(*fetching.values(), return_exceptions=True)
        await way.aclose()

    def _fetch_stale(self, fetching: dict[PartyId, asyncio.Task[None]], link: MeteredLink) -> None:
        """One question at a time to each partner: it repeats its parcel, and so do we the question."""
        while not self._stale.empty():
            party = self._stale.get()
            if party not in fetching or fetching[party].done():
                fetching[party] = asyncio.create_task(self._fetch(party, link))

    async def _fetch(self, party: PartyId, link: MeteredLink) -> None:
        try:
            news = await fetch_descriptor(self._it.gateway, link, party, self._it.clock())
        except IntertieError as error:
            LOG.warning("descriptor not fetched", extra={"partner": party, "why": error.why})
            return
        LOG.info("descriptor fetched", extra={"partner": party, "count": int(news)})

    def _start_loops(
        self,
        tasks: dict[tuple[PartyId, Lane], asyncio.Task[None]],
        link: MeteredLink,
        announcer: Announcer,
    ) -> None:
        for partner in self._it.partners.all():
            party = partner.party
            if party not in self._lanes:
                for lane in self._lanes_wanted():
                    tasks[party, lane] = asyncio.create_task(self._deliver_to(party, lane, link, announcer))

    def _lanes_wanted(self) -> list[Lane]:
        """All; but nobody looks for parcels of others where none are taken, and none are left of when some were."""
        gateway = self._it.gateway
        try:
            relays = gateway.relay.is_relay or gateway.store.relayed_rows(waiting=True, limit=1)
        except IntertieError:  # the store is away: there may be some
            relays = True
        return [lane for lane in Lane if relays or lane is not Lane.RELAY]

    async def _deliver_to(self, party: PartyId, lane: Lane, link: MeteredLink, announcer: Announcer) -> None:
        """Parcel after parcel while there is something due, then wait."""
        lanes = self._lanes.of(party)
        while not self._stopping.is_set():
            lanes.look(lane)
            if not (link.may_send(self._door_of(party)) if lane in _PROBING else link.flows(party)):
                await lanes.rest(lane)
                continue
            try:
                delivery = await self._deliver_one(party, lane, link, announcer)
            except IntertieError as error:
                LOG.error("delivery", extra={"partner": party, "why": error.why})
                await asyncio.sleep(TICK_SECONDS)
                continue
            if delivery is None:
                lanes.found_nothing(lane)
            else:
                note = {"partner": party, "parcel": delivery.parcel, "count": delivery.messages}
                if delivery.receipted:
                    LOG.info("posted" if delivery.detail else "receipted", extra=note)
                    await lanes.gather(delivery.messages)
                    continue
                LOG.warning("not receipted", extra={**note, "why": delivery.detail})
            await lanes.rest(lane)

    async def _deliver_one(
        self, party: PartyId, lane: Lane, link: MeteredLink, announcer: Announcer
    ) -> Delivery | None:
        """The next parcel; None if nothing is due, or another process is at it."""
        with self._turns.turn(party) as ours:
            if not ours:
                return None
            if lane is Lane.FIRST:
                why = await announcer.announce(party, self._it.clock(), random.random)
                if why:
                    LOG.warning("descriptor not acknowledged", extra={"partner": party, "why": why})
            with self._meter.tracer.span("deliver", partner=party):
                if lane is Lane.RELAY:
                    return await deliver_relayed(self._it.gateway, link, party, self._it.clock, random.random)
                if self._foreign is not None and lane is Lane.FIRST:
                    gateway, clock, post = self._it.gateway, self._it.clock, self._foreign.post
                    done = await deliver_translated(gateway, post, party, clock, random.random)
                    if done is not None:
                        return done
                return await deliver_once(
                    self._it.gateway,
                    link,
                    party,
                    self._it.clock,
                    random.random,
                    under_way=self._lanes.of(party),
                    urgent=lane is Lane.URGENT,
                )

    def _door_of(self, party: PartyId) -> PartyId:
        """Whose door what goes to this partner is brought to: its own, or that of the relay between."""
        partner = self._it.partners.find(party)
        return partner.via if partner is not None and partner.via is not None else party

    def _wake(self) -> None:
        """Every partner is looked at: when time has passed, or at the end."""
        if self._stopping.is_set():
            self._lanes.end()
        else:
            self._lanes.tick()

    def _wake_due(self) -> None:
        """Whoever wrote, those who have something to get."""
        try:
            self._lanes.due(self._it.gateway.store.next_partners(self._it.clock()))
        except IntertieError as error:
            LOG.error("store", extra={"why": error.why})

    def _queued(self, loop: asyncio.AbstractEventLoop, priorities: Mapping[PartyId, Sequence[int]]) -> None:
        """Messages were queued in this process, in any thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended: so have the deliveries
            loop.call_soon_threadsafe(self._lanes.queued, priorities)

    def _changed(self, seen: int) -> int:
        try:
            changed = self._it.gateway.store.changed()
            self._away = False
            return changed
        except IntertieError as error:
            LOG.error("store", extra={"why": error.why})
            self._away = True
            return seen

    def _turn_keys(self) -> None:
        try:
            self._it.turn_keys()
        except IntertieError as error:
            LOG.error("keys", extra={"why": error.why})

    def _expire(self) -> None:
        try:
            sealed = self._ticks % SEALED_TICKS == 0
            expired = expire(self._it.gateway, self._it.clock(), sealed=sealed)
        except IntertieError as error:
            LOG.error("expiry", extra={"why": error.why})
            return
        for message in expired:
            LOG.warning("expired", extra={"message_id": message})

    def _end_relayed(self) -> None:
        """Parcels of others that could not be handed on in their time."""
        try:
            ended = end_relayed(self._it.gateway, self._it.clock())
        except IntertieError as error:
            LOG.error("relay", extra={"why": error.why})
            return
        for row in ended:
            LOG.warning("expired here", extra={"partner": row.next, "parcel": row.parcel})

    def _keep_timeliness(self) -> None:
        """What was counted since the last time; lost with a crash, as the figures of a second may be."""
        spans = self._meter.timeliness.drain()
        try:
            if spans:
                self._it.gateway.store.add_timeliness(spans, self._it.clock() - TIMELINESS_KEPT)
        except IntertieError as error:
            LOG.error("timeliness", extra={"why": error.why})

    def _answer_proofs(self) -> None:
        """A partner that began its test conversation gets ours."""
        try:
            queued = answer_proofs(self._it.gateway, self._it.clock())
        except IntertieError as error:
            LOG.error("answering a proof", extra={"why": error.why})
            return
        if queued:
            LOG.info("proof answered", extra={"count": len(queued)})

    def _open_offers(self) -> None:
        """The keys of sealed offers whose gate has closed."""
        try:
            queued = open_sealed(self._it.gateway, self._it.sealed, self._it.clock())
            self._unopened = ""
        except IntertieError as error:
            if error.why != self._unopened:  # it is tried again each second: said once
                LOG.error("opening sealed offers", extra={"why": error.why})
            self._unopened = error.why
            return
        if queued:
            LOG.info("sealed offers opened", extra={"count": len(queued)})
