"""Coming for our parcels at a partner's street door, by long poll: gateway.receiving.fetch.FetchLink over HTTPS."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from intertie.bindings.parcel_https import KNOWN_DESCRIPTOR, PARCEL, PROBLEM, RECEIPT, SCOPES
from intertie.bindings.parcel_https.client import AnswerTooLarge, HttpsLink
from intertie.bindings.parcel_https.problem import problem, refusal
from intertie.gateway.configuration.settings import Settings
from intertie.gateway.gateway import LinkAnswer, Partner
from intertie.gateway.receiving.fetch import Came, NotHanded
from intertie.model.errors import RULES, PartnerError, Refused, StoreError
from intertie.model.ids import UUID7, ParcelId
from intertie.seal.transport import Transport

_PLACE = "/parcels/"
_NUMBER = re.compile(r"[0-9]{1,16}")


class _Said(msgspec.Struct, frozen=True):
    code: str = ""


class PullLink:
    """Over a link whose connections are for nothing else: one of them is always waiting. Close it with `aclose`."""

    def __init__(self, link: HttpsLink, settings: Settings) -> None:
        self._link = link
        # An answer may be as late as we wait, and is believed lost only after as long again.
        self._wait = min(settings.pull.wait_seconds, settings.delivery.answer_seconds / 2)

    async def aclose(self) -> None:
        """Close the link's connections."""
        await self._link.aclose()

    async def next_parcel(self, partner: Partner, *, again: bool, most: int) -> Came:
        """A parcel, or that there is none; NotHanded, PartnerError."""
        path = f"/parcels/next?wait={self._wait:.3f}" + ("&again=1" if again else "")
        headers = {KNOWN_DESCRIPTOR: str(partner.sequence)}
        if partner.scopes is not None:  # it cannot ask us for a token, and so for what it covers
            headers[SCOPES] = " ".join(partner.scopes)
        try:
            answer = await self._link.ask(partner, "GET", path, None, headers, most=most)
        except AnswerTooLarge as error:
            return _came(partner, error.headers, None, None, None)
        if answer.status == 204:
            return Came(None, None, answer.transport, _sequence(answer.headers), answer.retry_after)
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if answer.status != 200 or kind != PARCEL:
            raise _not_handed(partner, answer)
        return _came(partner, answer.headers, answer.body, answer.transport, answer.retry_after)

    async def bring_receipt(self, partner: Partner, parcel: ParcelId, raw: bytes) -> LinkAnswer:
        """Confirm a parcel; PartnerError."""
        return await self._bring(partner, parcel, raw, RECEIPT)

    async def bring_refusal(
        self, partner: Partner, parcel: ParcelId, refused: Refused | StoreError
    ) -> LinkAnswer:
        """Say why it is not taken, in the words of an answer to a post; PartnerError."""
        of_ours = problem(503, "store", "Nothing of it was kept.", retry=True)
        said = refusal(refused) if isinstance(refused, Refused) else of_ours
        return await self._bring(partner, parcel, bytes(said.body), PROBLEM)

    async def _bring(self, partner: Partner, parcel: ParcelId, raw: bytes, kind: str) -> LinkAnswer:
        return await self._link.ask(
            partner, "POST", f"/parcels/{parcel}/receipt", raw, {"content-type": kind}
        )


def _came(
    partner: Partner,
    headers: Mapping[str, str],
    blob: bytes | None,
    transport: Transport | None,
    retry_after: float | None,
) -> Came:
    before, _, id = headers.get("content-location", "").partition(_PLACE)
    if before or not re.match(UUID7, id):
        raise PartnerError(f"{partner.party} hands out a parcel without saying where it is confirmed")
    return Came(ParcelId(id), blob, transport, _sequence(headers), retry_after)


def _sequence(headers: Mapping[str, str]) -> int:
    said = headers.get(KNOWN_DESCRIPTOR, "")
    return int(said) if _NUMBER.fullmatch(said) else 0


def _not_handed(partner: Partner, answer: LinkAnswer) -> NotHanded:
    """Why, as far as we know its code; what a partner writes stands in no log."""
    try:
        code = msgspec.json.decode(answer.body, type=_Said).code
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        code = ""
    known = next((one for one in RULES if one == code), None)
    said = f" {known}: {RULES[known].sentence}" if known is not None else ""
    why = f"{partner.party} hands out no parcel: HTTP {answer.status}{said}"
    return NotHanded(why, answer.retry_after, busy=answer.status >= 500)
