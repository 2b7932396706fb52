"""The parts of `intertie settle many` on a cluster: Spark Connect reads the files and brings the rows of a meter together, and
the same kernel makes the lines where they are (`mapInArrow`). Tested on Sail and on Apache Spark.

The cluster reads the same folder under the same name, and its Python has this program.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from intertie.formats.many_lines import LINES, Ask
from intertie.formats.many_loads import columns_of
from intertie.formats.many_stream import settle_stream
from intertie.gateway.settlement.settle_many import Work
from intertie.model.errors import IntertieError, SettingsError
from intertie.stores.many_files import FEW, ReadingsFolder

# Parts of one query: enough for all workers of a small cluster, and few enough that their lines fit in memory here.
WAVE = 16
# As Spark writes the types of `LINES`.
COLUMNS = (
    "meter string, line int, code string, dispatch string, quantity long, unit string, rate string, amount long, "
    "note string, sources array<string>, inputs string"
)
ORDER = ("meter", "day", "revision")


class Cluster:
    """A Spark Connect session that somebody else opened, and closes."""

    def __init__(self, session: Any, readings: ReadingsFolder, tasks: int, wave: int = WAVE) -> None:
        self._session, self._readings, self._tasks, self._wave = session, readings, tasks, wave

    def lines(self, works: Iterable[Work]) -> Iterator[tuple[Work, Any]]:
        """The lines of each work, some parts in a query. Raises IntertieError with what the cluster said."""
        left = iter(works)
        while wave := list(islice(left, self._wave)):
            found = self._asked(wave)
            for work in wave:
                mine = pa.array([one.meter for one in work.ask.customers], pa.string())
                yield work, found.filter(pc.is_in(found["meter"], value_set=mine))

    def _asked(self, wave: Sequence[Work]) -> Any:
        first, last = wave[0].ask, wave[-1]
        customers = [one for work in wave for one in work.ask.customers]
        known = {meter: said for work in wave for meter, said in work.ask.known.items()}
        kernel = partial(settle_stream, Ask(first.programme, first.about, customers, known))
        rows = self._session.read.parquet(*self._readings.paths())
        rows = rows.select(*columns_of(rows.columns)).filter(rows.meter >= wave[0].low)
        if last.high is not None:
            rows = rows.filter(rows.meter < last.high)
        if len(customers) <= FEW:
            rows = rows.filter(rows.meter.isin([one.meter for one in customers]))
        rows = rows.repartition(self._tasks, "meter").sortWithinPartitions(*ORDER)
        try:
            made = rows.mapInArrow(kernel, COLUMNS).toArrow()
        except Exception as error:
            said = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
            raise IntertieError(
                f"the cluster could not settle: {said[:300]}",
                do="See its log; run again when it is mended: finished parts stay.",
            ) from error
        return made.cast(LINES)


class Session(NamedTuple):
    """An open session and how to end it."""

    spark: Any

    def close(self) -> None:
        """Ends it."""
        self.spark.stop()


def connect(url: str) -> Session:
    """A session at `sc://HOST:PORT`. Raises SettingsError if Spark's client is not installed, or nobody answers."""
    try:
        # by name: it is no dependency of a gateway
        made = importlib.import_module("pyspark.sql").SparkSession.builder.remote(url).getOrCreate()
    except ImportError as error:
        raise SettingsError(
            "Spark's client is not installed here", do="pip install 'intertie[spark]' into its environment."
        ) from error
    except Exception as error:
        raise SettingsError(f"no Spark Connect at {url}: {str(error)[:200]}", do="Is it running?") from error
    return Session(made)
