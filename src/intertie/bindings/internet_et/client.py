"""Posting packages to partners: three attempts in half an hour or more, then an Exchange Failure, of which people are told.

The message of OpenPGP is the same each time; each attempt has a refnum of its own and names that of the first.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import httpx

from intertie.bindings.internet_et.kept import KeptAnswers, KeptMessage, read_kept
from intertie.bindings.internet_et.replies import RECEIPTED, Told, clocks_apart, read_told, receipted
from intertie.bindings.internet_et.translator import InternetEt
from intertie.formats.internet_et.codes import Code
from intertie.formats.internet_et.fields import REPORT
from intertie.formats.internet_et.form import write_form
from intertie.formats.internet_et.package import write_package
from intertie.formats.internet_et.terms import InternetEtTerms, Quirk
from intertie.gateway.gateway import Gateway
from intertie.gateway.ports import MessageRow
from intertie.gateway.translating.deliver_file import take_level
from intertie.gateway.translating.deliver_translated import PostAnswer, Reply
from intertie.gateway.translating.files import File, FileError
from intertie.gateway.translating.foreign import Foreign, Level
from intertie.journal.entry import Entry, Kind
from intertie.model.errors import PartnerError, SettingsError
from intertie.model.ids import MessageId, new_uuid7
from intertie.model.message import utc
from intertie.seal.private_files import read_secret_text

LOG = logging.getLogger("intertie.internet_et")
# A receipt has a few kilobytes.
RECEIPT_MAX = 256 * 1024
# Failures of one package that make an Exchange Failure (Internet ET, 12.2.24).
ATTEMPTS = 3
_COUNT = re.compile(r"protocol failure ([0-9]{1,6})\b")
SECURITY = "signed-receipt-protocol=required,pgp-signature;signed-receipt-micalg=required,sha256"
# Told of an Exchange Failure: the partner, its contact, the message, what failed last. May block.
Tell = Callable[[str, str, str, str], None]


class InternetEtClient:
    """Posts what was kept, and takes the receipt that comes back; close it when done."""

    def __init__(
        self,
        gateway: Gateway,
        it: InternetEt,
        clock: Callable[[], datetime],
        seconds: float,
        retry_minutes: float,
        directory: Path,
        tell: Tell,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._gateway, self._it, self._clock, self._tell = gateway, it, clock, tell
        self._directory = directory
        self._again = retry_minutes * 60
        self._since = clock()
        # Of this process: what was posted, when it may be again, and how often that failed.
        self._due: dict[str, datetime] = {}
        self._failed: dict[str, int] = {}
        self._posted: set[str] = set()
        # Redirects lead elsewhere than to what an operator wrote.
        self._http = httpx.AsyncClient(
            timeout=seconds, follow_redirects=False, trust_env=False, transport=transport
        )

    async def post(self, foreign: Foreign, kept: bytes) -> PostAnswer:
        """What came of it: taken with its receipt, refused by it, or failed and to be posted again."""
        found = read_kept(kept)
        if isinstance(found, KeptAnswers):
            said = PostAnswer(200)
            for message in found.messages:
                if said.taken:
                    said = await self._post(foreign, message)
            return said
        if isinstance(found, KeptMessage):
            return await self._post(foreign, found)
        return PostAnswer(200)  # the answer of a connection: who lost it sends its package again

    async def put(self, foreign: Foreign, file: File) -> PostAnswer:
        """A sealed parcel, as a file; as `post`."""
        try:
            kept = self._it.carry(foreign, file, self._clock())
        except (FileError, SettingsError) as error:
            raise PartnerError(error.why, do=error.do) from error
        return await self.post(foreign, kept)

    async def _post(self, foreign: Foreign, package: KeptMessage) -> PostAnswer:
        """One unit of work."""
        name = package.signed.names.name
        row = self._gateway.store.message(MessageId(name), outgoing=True, body=False)
        if row is not None and row.detail.startswith(RECEIPTED):
            return PostAnswer(200, said=row.detail)  # what is waited for now is the format's answer
        began = self._clock()
        left = (self._due.get(name, began) - began).total_seconds()
        if (
            0 < left <= self._again
        ):  # the store asks more often than the protocol allows; a clock put back is no reason to wait
            return PostAnswer(0, said=row.detail if row is not None else "not yet", again=left)
        try:
            kind, body = await self._posted_to(foreign.internet_et, package, row, began)
            told = read_told(kind, body, package.signed.names, foreign.internet_et, self._it.code, began)
        except (PartnerError, SettingsError) as error:
            return await self._failure(foreign, name, row, error.why)
        apart = clocks_apart(told, began, self._clock())
        if apart:
            LOG.warning("clocks are apart", extra={"partner": foreign.name, "seconds": round(apart)})
        return await self._receipt(foreign, name, row, told)

    async def _posted_to(
        self, terms: InternetEtTerms, package: KeptMessage, row: MessageRow | None, now: datetime
    ) -> tuple[str, bytes]:
        """The content type and the body of the answer. PartnerError, SettingsError."""
        name = package.signed.names.name
        again = name in self._posted or (row is not None and self._may_have_gone(row))
        self._posted.add(name)
        headers, body = self._request(terms, package, now if again else None)
        urls = (terms.url, *terms.other_urls)
        url = urls[self._failures(name, row) % len(urls)]
        try:
            async with self._http.stream("POST", url, content=body, headers=headers) as answer:
                if not 200 <= answer.status_code < 300:
                    raise PartnerError(f"HTTP {answer.status_code}")
                said = bytearray()
                async for part in answer.aiter_bytes():
                    said += part
                    if len(said) > RECEIPT_MAX:
                        raise PartnerError("the receipt has no end")
                return answer.headers.get("content-type", ""), bytes(said)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise PartnerError(f"no answer: {type(error).__name__}") from error

    def _may_have_gone(self, row: MessageRow) -> bool:
        """Whether a process before this one may have posted it."""
        parcel = self._gateway.store.parcel(row.parcel, outgoing=True) if row.parcel is not None else None
        return row.attempts > 0 or (parcel is not None and parcel.at < self._since)

    def _request(
        self, terms: InternetEtTerms, package: KeptMessage, again: datetime | None
    ) -> tuple[dict[str, str], bytes]:
        """Headers and body; with a new refnum `again`."""
        names = package.signed.names
        first = str(int(names.name.replace("-", ""), 16))
        fields = {
            "from": names.sender,
            "to": names.recipient,
            "version": terms.version,
            "receipt-disposition-to": names.sender,
            "receipt-report-type": REPORT,
            "input-format": package.signed.input_format,
            "receipt-security-selection": SECURITY,
        }
        if terms.transaction_sets:
            fields["transaction-set"] = terms.transaction_sets[0]
        if terms.refnums:
            now = first if again is None else str(int(new_uuid7(again).replace("-", ""), 16))
            fields |= {"refnum": now, "refnum-orig": first}
        outer, inner = f"--form--{names.name}", f"--package--{names.name}"
        kind, data = write_package(package.message, inner)
        body = write_form(
            fields, f"{names.name}.pgp", kind, data, outer, last=Quirk.DATA_LAST in terms.quirks
        )
        headers = {"content-type": f'multipart/form-data; boundary="{outer}"'}
        return headers | self._login(terms), body

    def _login(self, terms: InternetEtTerms) -> dict[str, str]:
        if not terms.user:
            return {}
        password = read_secret_text(
            self._directory / terms.password_file, "the password for a partner's door"
        )
        said = httpx.BasicAuth(terms.user, password)
        request = next(said.auth_flow(httpx.Request("POST", terms.url)))
        return {"authorization": request.headers["authorization"]}

    def _failures(self, name: str, row: MessageRow | None) -> int:
        """How many there were: of this process, or as the one before it left it in the message's detail."""
        if name not in self._failed and row is not None and (found := _COUNT.match(row.detail)):
            return int(found[1])
        return self._failed.get(name, 0)

    async def _failure(self, foreign: Foreign, name: str, row: MessageRow | None, why: str) -> PostAnswer:
        """A Protocol Failure; the third of a package is an Exchange Failure. It is tried on, until the message expires."""
        count = self._failures(name, row) + 1
        self._failed[name] = count
        self._due[name] = self._clock() + timedelta(seconds=self._again)
        said = f"protocol failure {count}: {why}"
        if count == ATTEMPTS:
            said = f"protocol failure {count}, an exchange failure: {why}"
            await self._exchange_failed(foreign, name, row, why)
        return PostAnswer(0, said=said, again=self._again)

    async def _exchange_failed(self, foreign: Foreign, name: str, row: MessageRow | None, why: str) -> None:
        """Journaled, logged, and told to people."""
        if row is not None:
            entry = Entry(
                kind=Kind.ACT,
                at=utc(self._clock()),
                partner=row.recipient,
                message=row.id,
                digest=row.leaf.hex(),
                note=f"exchange failure: {why}"[:100],
            )
            self._gateway.store.note([entry])
        LOG.error("exchange failure", extra={"partner": foreign.name, "message_id": name, "why": why})
        partner = row.recipient if row is not None else foreign.name
        await asyncio.to_thread(self._tell, partner, foreign.internet_et.contact or "", name, why)

    async def _receipt(self, foreign: Foreign, name: str, row: MessageRow | None, told: Told) -> PostAnswer:
        """What it says counts at once, also if the connection had been lost a moment later."""
        said = told.receipt
        if not said.good and said.status.upper().startswith((Code.SYSTEM, Code.DUPLICATE_REFNUM)):
            # Theirs is away; or it has the first attempt, whose receipt was lost: then a resend gets that.
            return await self._failure(foreign, name, row, said.status)
        if row is None:  # an answer of ours: nobody waits for it
            return PostAnswer(200) if said.good else PostAnswer(422, said=said.status)
        detail = "" if said.status.lower() == "ok" else said.status
        reply = Reply(row.recipient, row.id, said.good, detail, told.kept, told.received)
        take_level(self._gateway, foreign, reply, Level.RECEIPT, self._clock())
        return PostAnswer(200, said=receipted(said))

    async def aclose(self) -> None:
        """Let go of connections."""
        await self._http.aclose()
