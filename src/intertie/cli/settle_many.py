"""`intertie settle many`: a month of many meters from a folder of Parquet, in parts, resumable."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from intertie.bindings.spark_connect.cluster import Cluster, connect
from intertie.cli._shared import Json, print_json
from intertie.formats.many_job import read_job
from intertie.gateway.settlement.settle_many import Done, Engine, Progress, settle_many
from intertie.model.errors import SettingsError
from intertie.run.many_engines import OneProcess, Pool
from intertie.stores.many_files import LinesFolder, ReadingsFolder

# A screen names so many; all are in the JSON.
NAMED = 5
# Tasks of a query: a cluster of a few machines is then busy, and each task is still some megabytes.
TASKS = 32


def many(
    job: Path,
    readings: Path,
    out: Path,
    /,
    *,
    processes: Annotated[int, Parameter(help="On this machine; 1: no pool. Default: one for each core.")] = 0,
    spark: Annotated[str, Parameter(help="A cluster in their place: sc://HOST:PORT (Spark Connect).")] = "",
    tasks: Annotated[int, Parameter(help="Parts of a query to the cluster.")] = TASKS,
    json: Json = False,
) -> None:
    """Settle every meter of a job as a resource of its own, from Parquet to lines.

    The lines are the same bytes whoever computes them. A run that ended early goes on when it is called again, and after
    new readings only the meters in them are settled again (docs/scale.md).

    Example:

        intertie settle many job.json readings/ lines/ --processes 2

    Parameters
    ----------
    job
        The deal, its calls and its meters, as `intertie settle plan` writes it.
    readings
        A folder of Parquet files, a row for each meter's day.
    out
        The folder for the lines; of an earlier run, to go on.
    """
    try:
        asked = read_job(job.read_bytes())
    except OSError as error:
        raise SettingsError(f"{job} cannot be read: {error.strerror}", do="Name a job file.") from error
    folder = ReadingsFolder(readings)
    with _engine(folder, processes or os.cpu_count() or 1, spark, tasks) as engine, _bar() as bar:
        task = bar.add_task("settling", total=None)

        def shown(now: Progress) -> None:
            bar.update(
                task, completed=now.done, total=now.parts, description=f"{now.meters:,} meters settled"
            )

        done = settle_many(asked, folder, LinesFolder(out), engine, shown)
    if json:
        print_json(done._asdict())
    else:
        _say(done, asked.deal.currency, out)


@contextmanager
def _engine(folder: ReadingsFolder, processes: int, spark: str, tasks: int) -> Iterator[Engine]:
    if spark:
        session = connect(spark)
        try:
            yield Cluster(session.spark, folder, tasks)
        finally:
            session.close()
    else:
        yield Pool(folder, processes) if processes > 1 else OneProcess(folder)


def _bar() -> Bar:
    """On stderr, if a person looks at it."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("parts"),
        TimeRemainingColumn(),
    )
    return Bar(*columns, console=console, transient=True, disable=not console.is_terminal)


def _say(done: Done, currency: str, out: Path) -> None:
    print(f"{out}: {done.lines:,} lines, {done.cents / 100:,.2f} {currency}, in {done.parts} parts.")
    print(
        f"{done.settled:,} meters settled, {done.same:,} looked at and unchanged; {done.untouched} parts untouched."
    )
    if done.silent:
        print(f"{len(done.silent):,} meters have no reading: {', '.join(done.silent[:NAMED])}.")
    if done.foreign:
        print(
            f"{len(done.foreign):,} meters with readings are not in the job: {', '.join(done.foreign[:NAMED])}."
        )
    print(f"SHA-256 of the lines: {done.sha256}")
