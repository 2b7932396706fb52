"""What was agreed about files that are Green Button feeds, as a partner's legacy file says (`[espi]`)."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from intertie.formats.espi.points import meters_by
from intertie.formats.espi.series import EspiRules, meter_named_by
from intertie.model.ids import MeterRef
from intertie.model.interval import ZoneName
from intertie.model.metering import METERS_MAX, Channel, Quality
from intertie.model.record import Record

# As points.py has them: the end of a usage point's path.
UsagePointPath = Annotated[str, Meta(min_length=1, max_length=500)]


class EspiTerms(Record, frozen=True, kw_only=True):
    """Whose the usage points are, and what stands in for what a feed does not say (docs/espi.md)."""

    # Of LocalTimeParameters in what we write.
    zone: ZoneName = "UTC"
    quality: Quality = Quality.RAW
    channel: Channel = Channel.IMPORT
    # Usage points, by as much of the end of their path as tells them from others, and their meters; none: the last part is the
    # meter's id.
    usage_points: Annotated[dict[UsagePointPath, MeterRef], Meta(max_length=METERS_MAX)] = msgspec.field(
        default_factory=dict
    )
    # ESPI has no revisions. "updated": what an entry said later replaces what it said before.
    revision: Literal["first", "updated"] = "updated"
    # A table of results for each file that comes.
    results: bool = True

    @property
    def rules(self) -> EspiRules:
        """For who reads a feed."""
        named = {path.strip("/"): str(meter) for path, meter in self.usage_points.items()}
        return EspiRules(
            meters_by(named) if named else meter_named_by,
            self.quality,
            self.channel,
            by_updated=self.revision == "updated",
        )
