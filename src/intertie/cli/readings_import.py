"""`intertie readings import`: readings from a file into this gateway's own, and to a partner if asked."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, BinaryIO

from cyclopts import Parameter

from intertie.cli._espi import meter_namer, quality_named
from intertie.cli._files import watched
from intertie.cli._readings import show_faults
from intertie.cli._shared import HERE, Dir, Json, PartyOption, print_json, read_file
from intertie.cli.send import Given
from intertie.formats.espi.series import EspiRules
from intertie.formats.reading_documents import documents_of
from intertie.formats.readings_csv import CsvRules
from intertie.gateway.metering.import_readings import (
    Imported,
    import_csv,
    import_espi,
    import_json,
    imported_tables,
)
from intertie.gateway.metering.readings import take_in
from intertie.gateway.metering.readings_ports import READINGS
from intertie.gateway.sending.compose import agreement_with, flow_for
from intertie.gateway.sending.send_message import Outgoing, find_partner, send
from intertie.market.reading_days import Fault, Finding
from intertie.model.errors import SettingsError
from intertie.model.ids import AgreementId, InterfaceCode, MessageId, PartyId
from intertie.model.message import Mode
from intertie.run.readings import ReadingsOpened, opened_readings


def import_file(
    file: Path,
    /,
    *,
    zone: Annotated[str, Parameter(help="Zone of times without an offset; [readings] zone.")] = "",
    minutes: Annotated[int, Parameter(help="Length of an interval, where a line does not say.")] = 15,
    quality: Annotated[str, Parameter(help="ESPI quality, where a line does not say.")] = "raw",
    to: Annotated[
        PartyOption | None, Parameter(name="--send", help="Send what was taken to this partner, too.")
    ] = None,
    meter: Annotated[str, Parameter(help="Of an ESPI feed: the meter, whatever its usage points are.")] = "",
    points: Annotated[
        Path | None,
        Parameter(name="--usage-points", help="Of an ESPI feed: a CSV with usage_point and meter."),
    ] = None,
    interface: Annotated[InterfaceCode | None, Parameter(help="To send: if several would do.")] = None,
    mode: Annotated[Mode | None, Parameter(help="To send: if several would do.")] = None,
    agreement: Annotated[AgreementId | None, Parameter(help="To send: default, the one in force.")] = None,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Take readings from a file into this gateway's own.

    Every line counts: what cannot be used is listed by `intertie readings findings`, with its reason and its text.

    Parameters
    ----------
    file
        A CSV with a header (docs/readings.md); .json: a `meter_readings` body; .xml: an ESPI (Green Button) feed.
    """
    with opened_readings(dir) as it:
        it.store.unlock()
        if to is not None:
            find_partner(it.gateway, to)
        given = Given(interface=interface, mode=mode, agreement=agreement)
        now = it.clock()
        if file.suffix.lower() == ".xml":
            done = _import_espi(it, file, meter_namer(meter, points), quality, now)
        else:
            done = _import(it, file, zone, minutes, quality, now)
        rows = take_in(it.gateway, it.readings).rows
        sent = list(_send(it, done, to, given, now)) if to is not None else []
        faults = _faults(it, done)
    if json:
        print_json({**done._asdict(), "rows": rows, "faults": faults, "messages": sent})
        return
    print(f"{file}: {rows} meter days taken in as {done.source}.")
    show_faults(faults.items())
    for message in sent:
        print(f"Queued as {message}.")


def _import(it: ReadingsOpened, file: Path, zone: str, minutes: int, quality: str, now: datetime) -> Imported:
    if file.suffix.lower() == ".json":
        return import_json(it.gateway, it.readings, read_file(file), now)
    if zone not in ("", it.readings.zone):
        raise SettingsError(
            f"the days of this gateway are those of {it.readings.zone}, not of {zone}",
            do="Give the lines their offset, or set [readings] zone and run `intertie readings rebuild`.",
        )
    rules = CsvRules(it.readings.zone, now, it.readings.is_known, minutes, quality)
    with _opened(file) as (source, size, count):
        return import_csv(it.gateway, it.readings, source, size, rules, count)


def _import_espi(
    it: ReadingsOpened, file: Path, meter_of: Callable[[str], str | None], quality: str, now: datetime
) -> Imported:
    rules = EspiRules(meter_of, quality_named(quality))
    with _opened(file) as (source, _, count):
        return import_espi(it.gateway, it.readings, source, rules, now, count)


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[tuple[BinaryIO, int, Callable[[int], None]]]:
    """The file, its size, and who is told how far it was read."""
    try:
        size = file.stat().st_size if str(file) != "-" else 0
        with (
            watched("reading", size) as count,
            file.open("rb") if str(file) != "-" else sys.stdin.buffer as source,
        ):
            yield source, size, count
    except OSError as error:
        raise SettingsError(
            f"{file} cannot be read: {error.strerror or error}", do="Check the name."
        ) from error


def _faults(it: ReadingsOpened, done: Imported) -> dict[Fault, int]:
    """What was found in this file."""
    found: Counter[Fault] = Counter()
    one: Finding
    for one in it.readings.store.findings():
        if one.source == done.source:
            found[one.fault] += one.count
    return dict(found)


def _send(
    it: ReadingsOpened, done: Imported, to: PartyId, given: Given, now: datetime
) -> Iterator[MessageId]:
    """What was taken, in messages of some thousand meter days, one after the other."""
    partner = find_partner(it.gateway, to)
    flow = flow_for(it.gateway, partner, READINGS, given.interface, given.mode)
    under = given.agreement or (agreement_with(it.gateway, partner, now) if flow.agreement else None)
    tables: Iterator[Any] = imported_tables(it.readings, done.number)
    for body in documents_of(tables, it.readings.zone):
        out = Outgoing(body=body, recipient=to, interface=flow.interface, mode=flow.mode, agreement=under)
        yield from send(it.gateway, [out], now)
