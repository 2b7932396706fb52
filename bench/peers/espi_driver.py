"""greenbutton-objects reading ESPI, in an environment of its own. One JSON object a line in, one out:

{"do": "read", "file": F}: its readings by meter reading. {"do": "time", "file": F}: seconds of CPU that it takes for them, and
how many there are.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from greenbutton_objects.parse import parse_feed


def read(file: str) -> list[dict[str, Any]]:
    """Each meter reading: whose, its type, and its readings as it has them."""
    return [
        {
            "service": point.serviceCategory.name,
            "unit": series.readingType.uom.name,
            "flow": series.readingType.flowDirection.name,
            "readings": [
                [
                    int(one.timePeriod.start.timestamp()),
                    int(one.timePeriod.duration.total_seconds()),
                    one.value,
                    [each.quality.value for each in one.readingQualities],
                ]
                for one in series.intervalReadings
            ],
        }
        for point in parse_feed(file)
        for series in point.meterReadings
    ]


def timed(file: str) -> dict[str, Any]:
    """CPU seconds from the file to values."""
    begun = time.process_time()
    count = sum(
        one.timePeriod.start is not None and one.value is not None
        for point in parse_feed(file)
        for series in point.meterReadings
        for one in series.intervalReadings
    )
    return {"seconds": time.process_time() - begun, "readings": count}


for line in sys.stdin:
    asked = json.loads(line)
    said = {"series": read(asked["file"])} if asked["do"] == "read" else timed(asked["file"])
    print(json.dumps(said), flush=True)
