"""What third parties are to be told: that there are readings which they were not told of, and that a consent ended.

A message's readings may be there much later than it came (one of ours counts once its recipient has it), so a time alone does not
say what is new. Kept is also of how many meter days a third party was told: if more are new than came since then, it is told to
fetch all. What it was told counts once its server took it; until then the same is said again, and what came meanwhile with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from intertie.formats.espi.names import BASE
from intertie.formats.espi.scope import BULK, PUSH
from intertie.formats.espi.service import RESOURCES_MAX, subscription_of
from intertie.gateway.espi.espi_grants import Told
from intertie.gateway.espi.espi_ports import Application, Consent, GrantBook
from intertie.gateway.espi.espi_readings import Arrived, arrived_by_meter, rows_after
from intertie.gateway.metering.readings import Readings


class Notice(NamedTuple):
    """What is to be posted to an application, and what is then known of it."""

    application: Application
    resources: Sequence[str]
    consents: Mapping[str, Told]
    bulk: Told | None


def notices_due(book: GrantBook, readings: Readings, host: str, now: datetime) -> Iterator[Notice]:
    """One for each application that is to be told something. StoreError, SettingsError."""
    for application in book.applications():
        if application.revoked is None and application.notify_uri and application.what.has(PUSH):
            notice = _notice(application, list(book.consents(application.id)), readings, host, now)
            if notice.resources or notice.consents or notice.bulk is not None:
                yield notice


def _notice(
    application: Application, consents: Sequence[Consent], readings: Readings, host: str, now: datetime
) -> Notice:
    counting = [one for one in consents if one.counts(now)]
    there = arrived_by_meter(readings, (meter for one in counting for meter in one.meters))
    resources: list[str] = []
    told: dict[str, Told] = {}
    for one in consents:
        if len(resources) >= RESOURCES_MAX - 1:
            break  # the rest is said once this is
        if not one.counts(now):
            if not one.told_end:
                resources.append(f"{host}{BASE}/Authorization/{one.id}")
                told[one.id] = Told(one.told, one.told_rows, ended=True)
        elif not _in_bulk(application, one):
            said = _news(one, one.meters, there, readings)
            if said is not None:
                told[one.id] = said.told
                resources += (
                    [f"{host}{subscription_of(one.id)}{said.query}"] if said.query is not None else []
                )
    together = [meter for one in counting if _in_bulk(application, one) for meter in one.meters]
    bulk = _news(application, together, there, readings)
    if bulk is not None and bulk.query is not None:
        resources.append(f"{host}{BASE}/Batch/Bulk/{application.what.bulk}{bulk.query}")
    return Notice(application, resources, told, bulk.told if bulk is not None else None)


class _News(NamedTuple):
    told: Told
    query: str | None  # None: there is nothing to say


def _news(
    known: Application | Consent, meters: Sequence[str], there: Mapping[str, Arrived], readings: Readings
) -> _News | None:
    """None if nothing has changed."""
    found = [there[meter] for meter in meters if meter in there]
    rows = sum(one.rows for one in found)
    last = max((one.last for one in found if one.last is not None), default=None)
    before = max(0, known.told_rows)
    if rows == before:
        return None
    until = max((at for at in (known.told, last) if at is not None), default=None)
    if rows < before:  # erased, or a consent ended
        return _News(Told(until, rows), None)
    since = known.told if known.told_rows >= 0 else None
    if since is not None and rows_after(readings, meters, since) >= rows - before:
        return _News(Told(until, rows), f"?updated-min={_instant(since)}")
    return _News(Told(until, rows), "")


def _in_bulk(application: Application, consent: Consent) -> bool:
    return consent.what.has(BULK) and bool(consent.what.bulk) and consent.what.bulk == application.what.bulk


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
