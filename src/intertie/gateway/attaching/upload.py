"""Bringing files to partners, beside their parcels: an outage notice does not wait behind two gigabytes.

A file goes in pieces, each asked for where it goes on, so that a lost connection costs one piece and not the file. When all
files of a message are with the partner, the message is due (attachments.ready_to_go).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Annotated, NamedTuple, Protocol

import msgspec
from msgspec import Meta

from intertie.catalogue.flow import Channel
from intertie.exchange.outbound import State, backoff
from intertie.gateway.attaching.attachments import attachments_of, fail
from intertie.gateway.attaching.sweep_attachments import sweep_attachments
from intertie.gateway.gateway import Gateway, LinkAnswer, Partner
from intertie.gateway.ports import MessageRow
from intertie.gateway.receiving.scopes import scope_of
from intertie.model.attachment import AttachmentId, AttachmentRef
from intertie.model.errors import RULES, IntertieError, PartnerError
from intertie.model.ids import PartyId
from intertie.seal.attachment import sealed_size
from intertie.seal.protect import needed_connection

LOG = logging.getLogger("intertie.upload")
# What one request carries: read into memory whole, a few times over. Over 1 Mbit/s it takes 34 seconds.
PIECE_BYTES = 4 * 2**20
# A partner may ask us to wait, but not for longer than this at once.
WAIT_MAX = 600.0
# A pause between two pieces, at most; and what is added to it, since two clocks never run quite alike.
PAUSE_MAX = 5.0
PAUSE_MARGIN = 0.02
# Files that belong to nothing are looked for this often; they wait for days before they go.
SWEEP = timedelta(hours=1)
# Not before this again, if a partner asks for no time of its own.
WAIT_FIRST = 1.0

Clock = Callable[[], datetime]
Random = Callable[[], float]


class FileName(NamedTuple):
    """A file as its recipient's door knows it: id and sealed length, and the scope of the message it is for."""

    id: AttachmentId
    length: int
    scope: str


class There(msgspec.Struct, frozen=True):
    """How much of a file is there: the answer to both requests. More of it may come after `wait` seconds."""

    offset: int
    length: int
    wait: Annotated[float, Meta(ge=0, le=86_400)] = 0.0


class Problem(msgspec.Struct, frozen=True):
    """The part of a problem+json answer that we act on."""

    code: str = ""
    retry: bool = True


class UploadLink(Protocol):
    """A way to a partner's door. Both raise PartnerError when there was no answer."""

    async def file_state(self, partner: Partner, file: FileName, *, hybrid: bool) -> LinkAnswer:
        """How much of a file is there."""

    async def add_to_file(
        self, partner: Partner, file: FileName, offset: int, piece: bytes, *, hybrid: bool
    ) -> LinkAnswer:
        """Add bytes to it; how much is there then."""


class NotTaken(IntertieError):
    """The partner will not take the file; `why` is for the operators."""


class NotNow(IntertieError):
    """Not now: after `seconds`, if the partner said."""

    def __init__(self, why: str, seconds: float | None = None) -> None:
        super().__init__(why)
        self.seconds = seconds


async def upload_message(
    gateway: Gateway, link: UploadLink, partner: Partner, row: MessageRow, clock: Clock
) -> int:
    """Bring all files of a message to its recipient; how many bytes had to go. Stops if it is not queued any more.

    NotNow, PartnerError: to be gone on with, later. NotTaken: the message has failed.
    """
    policy, ours = gateway.policy_on(clock()), gateway.party.roles
    hybrid = needed_connection([row.body], ours, partner.roles, policy) is Channel.HYBRID
    count = 0
    try:
        if not partner.has_door:  # it had one when the message was queued
            raise NotTaken("it has no door any more")
        for ref in attachments_of(row):
            count += await _upload(gateway, link, partner, row, ref, hybrid)
    except NotTaken as error:
        fail(gateway, row, f"{partner.party} does not take a file of it: {error.why}", clock())
        raise
    if _queued(gateway, row) and gateway.attachments is not None:
        gateway.attachments.files.set_sent(row.id)
    return count


async def _upload(
    gateway: Gateway, link: UploadLink, partner: Partner, row: MessageRow, ref: AttachmentRef, hybrid: bool
) -> int:
    """One file, from where it ended."""
    name = FileName(ref.id, sealed_size(ref.size), scope_of(row.interface, row.document))
    sealed = gateway.attachments.files.open(None, row.id, ref.id) if gateway.attachments else None
    if sealed is None:
        raise NotTaken("it is not here any more")
    count = 0
    with sealed:
        there, wait = _there(await link.file_state(partner, name, hybrid=hybrid), name)
        while there < name.length and _queued(gateway, row):
            await _pause(wait)
            sealed.seek(there)
            piece = sealed.read(PIECE_BYTES)
            if not piece:
                raise NotTaken("it is not whole here")
            answer = await link.add_to_file(partner, name, there, piece, hybrid=hybrid)
            if answer.status == 409:  # a connection that we thought lost had brought more
                answer = await link.file_state(partner, name, hybrid=hybrid)
            before, (there, wait) = there, _there(answer, name)
            count += max(0, there - before)
            if there <= before:
                raise NotNow("nothing of what was sent is there")
    return count


async def _pause(seconds: float) -> None:
    """As long as the partner asks for: to the end here, unless it is so long that the message may have ended by then."""
    if seconds > PAUSE_MAX:
        raise NotNow("the partner's quota is used up for now", seconds)
    if seconds:
        await asyncio.sleep(seconds + PAUSE_MARGIN)


def _there(answer: LinkAnswer, name: FileName) -> tuple[int, float]:
    """How much is there, by the answer, and when more may come; NotNow or NotTaken if it is no such answer."""
    if answer.status == 200:
        try:
            said = msgspec.json.decode(answer.body, type=There)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            said = There(-1, -1)
        if said.length != name.length or not 0 <= said.offset <= name.length:
            raise NotNow("its answer does not say how much of the file is there")
        return said.offset, said.wait
    try:
        problem = msgspec.json.decode(answer.body, type=Problem)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        problem = Problem()
    if answer.status == 404:
        raise NotTaken("its gateway takes no files beside messages")
    code = next((code for code in RULES if code == problem.code), None)
    said_why = f"HTTP {answer.status}" + (f" {code}: {RULES[code].sentence}" if code is not None else "")
    if 400 <= answer.status < 500 and code is not None and not problem.retry:
        raise NotTaken(said_why)
    raise NotNow(said_why, answer.retry_after)


def _queued(gateway: Gateway, row: MessageRow) -> bool:
    """It may have been cancelled, or have expired."""
    now = gateway.store.message(row.id, outgoing=True, body=False)
    return now is not None and now.state is State.QUEUED


class Uploads:
    """Files on their way: one message at a time to each partner, the most urgent first. For one event loop."""

    def __init__(
        self,
        gateway: Gateway,
        link: UploadLink,
        clock: Clock,
        random: Random,
        done: Callable[[PartyId], None],
    ) -> None:
        """`done` is told of a partner to whom a message may go now."""
        self._gateway = gateway
        self._link = link
        self._clock = clock
        self._random = random
        self._done = done
        self._tasks: dict[PartyId, asyncio.Task[None]] = {}
        self._attempts: dict[PartyId, int] = {}
        self._swept: datetime | None = None

    def step(self) -> None:
        """Begin with files that wait; and each hour remove what belongs to nothing. Logs what cannot be done."""
        try:
            self.start()
            now = self._clock()
            if self._swept is None or now - self._swept >= SWEEP:
                self._swept = now
                LOG.info("files swept", extra={"count": sweep_attachments(self._gateway, now)})
        except IntertieError as error:
            LOG.error("files", extra={"why": error.why})

    def start(self) -> None:
        """Begin what waits and is not under way; to be called again and again. StoreError if that cannot be read."""
        for task in [task for task in self._tasks.values() if task.done()]:
            task.result()  # ends only by a mistake in this program: end loudly
        for party, row in self._waiting().items():
            if party not in self._tasks or self._tasks[party].done():
                self._tasks[party] = asyncio.create_task(self._run(party, row))

    async def aclose(self) -> None:
        """Stop; what was on its way goes on after the next start."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _waiting(self) -> dict[PartyId, MessageRow]:
        """The next message for each partner that has one. What came to its end otherwise is put away."""
        if self._gateway.attachments is None:
            return {}
        files, store = self._gateway.attachments.files, self._gateway.store
        rows: list[MessageRow] = []
        for message in files.sending():
            row = store.message(message, outgoing=True, body=False)
            if row is not None and row.state is State.QUEUED:
                rows.append(row)
            elif row is not None:
                files.set_sent(message)
        return _first(rows)

    async def _run(self, party: PartyId, row: MessageRow) -> None:
        wait = timedelta()
        try:
            whole = self._gateway.store.message(row.id, outgoing=True)
            partner = self._gateway.partners.find(party)
            if whole is None or partner is None or partner.suspended:
                wait = timedelta(seconds=WAIT_FIRST)
            else:
                await self._upload(partner, whole)
        except (NotNow, PartnerError) as error:
            wait = self._later(party, row, error)
        except NotTaken as error:
            LOG.error("file refused", extra={"partner": party, "message_id": row.id, "why": error.why})
        except IntertieError as error:
            LOG.error("upload", extra={"partner": party, "why": error.why})
            wait = timedelta(seconds=WAIT_FIRST)
        await asyncio.sleep(wait.total_seconds())

    async def _upload(self, partner: Partner, row: MessageRow) -> None:
        count = await upload_message(self._gateway, self._link, partner, row, self._clock)
        self._attempts.pop(partner.party, None)
        LOG.info("files there", extra={"partner": partner.party, "message_id": row.id, "bytes": count})
        self._done(partner.party)

    def _later(self, party: PartyId, row: MessageRow, error: NotNow | PartnerError) -> timedelta:
        LOG.warning("files wait", extra={"partner": party, "message_id": row.id, "why": error.why})
        attempt = self._attempts[party] = self._attempts.get(party, -1) + 1
        limits = self._gateway.limits
        wait = backoff(
            attempt, self._random(), first=limits.retry_first_seconds, ceiling=limits.retry_ceiling_seconds
        )
        said = error.seconds if isinstance(error, NotNow) else None
        return max(wait, timedelta(seconds=min(said, WAIT_MAX))) if said is not None else wait


def _first(rows: Iterable[MessageRow]) -> dict[PartyId, MessageRow]:
    first: dict[PartyId, MessageRow] = {}
    for row in sorted(rows, key=lambda row: (row.priority, row.seq)):
        first.setdefault(row.recipient, row)
    return first
