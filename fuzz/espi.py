"""Green Button as strangers send it: feeds as they are uploaded and as they are fetched, notifications, and scopes."""

from __future__ import annotations

import io
from datetime import UTC, datetime

from intertie.formats.espi.cut import cut_feed
from intertie.formats.espi.scope import read_scope
from intertie.formats.espi.series import EspiRead
from intertie.formats.espi.service import read_list, write_list
from intertie.formats.espi.stream import read_feed
from intertie.formats.espi.terms import EspiTerms
from intertie.formats.espi.write import Stamped, write_feed
from intertie.model.errors import IntertieError
from intertie.model.ids import MeterId
from intertie.model.interval import IntervalSeries
from intertie.model.metering import Channel, MeterReadings, Quality
from intertie.model.quantity import Unit

NOW = datetime(2026, 11, 22, tzinfo=UTC)
SCOPE = "FB=4_5_15_35_39;IntervalDuration=900_3600;BlockDuration=daily;HistoryLength=400;BR=b1"


def read_espi(data: bytes) -> object:
    """A scope, a notification, or a feed: whole, and in parts that are feeds again."""
    if data[:1] != b"<":
        return read_scope(data.decode("utf-8", "replace"))
    if b"BatchList" in data[:200]:
        return read_list(data)
    parts: list[bytes] = []
    try:
        parts = list(cut_feed(io.BytesIO(data)))
    finally:
        whole = list(EspiRead(read_feed(io.BytesIO(data)), EspiTerms().rules))
    for part in parts:
        try:
            list(EspiRead(read_feed(io.BytesIO(part)), EspiTerms().rules))
        except IntertieError as error:
            raise AssertionError("a part of a feed is no feed") from error
    return whole


def espi_texts() -> list[bytes]:
    """One of each kind."""
    found = [SCOPE.encode(), b"FB=4", write_list(["https://u.example/espi/1_1/resource/Batch/Bulk/b1?x=1"])]
    for channel, values in (
        (Channel.IMPORT, (1, None, 3)),
        (Channel.NET, (-5, 7)),
        (Channel.EXPORT, (0,) * 96),
    ):
        series = IntervalSeries(start=NOW, step_seconds=900, unit=Unit.KWH, power_of_ten=-3, values=values)
        one = MeterReadings(meter=MeterId("M1"), channel=channel, quality=Quality.VALID, series=series)
        out = io.BytesIO()
        write_feed(out, [("M1", [one])], Stamped("fuzz", "America/New_York", NOW))
        found.append(out.getvalue())
    return found
