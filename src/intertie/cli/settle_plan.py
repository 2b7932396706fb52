"""`intertie settle plan`: a job and its readings, for `intertie settle many`."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from intertie.cli._settle import Minutes, settling
from intertie.cli._shared import HERE, Dir, Json, PartyOption, print_json
from intertie.cli._trade import Under
from intertie.formats.many_job import write_job
from intertie.gateway.settlement.settle_inputs import find_deal, period_of
from intertie.gateway.settlement.settle_plan import job_of, tables_of
from intertie.model.errors import SettingsError
from intertie.model.ids import ConfirmationId
from intertie.seal.private_files import write_private

# Small groups: a part of a run reads only those that may have its meters.
GROUP_ROWS = 1024


def plan(
    partner: PartyOption,
    deal: ConfirmationId,
    month: str,
    out: Path,
    /,
    *,
    minutes: Minutes = 15,
    agreement: Under = None,
    dir: Dir = HERE,
    json: Json = False,
) -> None:
    """Write a deal's month as a job, with the readings that it needs, to settle each meter by itself.

    The readings are plain Parquet, not encrypted as the gateway keeps them: for a pool of processes or a cluster that has
    none of its keys. Remove the folder when it is settled.

    Example:

        intertie settle plan aggregator.example NWS-2026-001 2026-07 july/

    Parameters
    ----------
    partner
        The other side.
    deal
        The confirmation.
    month
        As 2026-07.
    out
        A folder; it must not be there.
    """
    with settling(dir, partner, agreement) as held:
        terms = find_deal(held.desk, deal)
        job = job_of(held.desk, terms, period_of(terms, month), minutes)
        try:
            (out / "readings").mkdir(parents=True, mode=0o700)
            out.chmod(0o700)
            rows = 0
            for number, table in tables_of(held.readings, job):
                pq.write_table(table, out / "readings" / f"{number:05}.parquet", row_group_size=GROUP_ROWS)
                rows += len(table)
        except OSError as error:
            raise SettingsError(
                f"{out} cannot be written: {error.strerror}", do="Name a new folder."
            ) from error
    write_private(out / "job.json", write_job(job))
    if json:
        print_json({"meters": len(job.meters), "calls": len(job.calls), "rows": rows})
    else:
        print(f"{out}: {len(job.meters):,} meters, {len(job.calls)} calls, {rows:,} meter days of readings.")
