"""The load data: one low-voltage grid, its elements, and their power in quarter-hours. examples/feeder/README.md."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from intertie.model.errors import SettingsError

STEPS = 96  # quarter-hours of a day; the data holds no day with a clock change
STEP_SECONDS = 900

Watts = npt.NDArray[np.int64]


class Element(NamedTuple):
    """One thing at a node: `customer`, `heat_pump`, `charger`, `pv` or `storage`."""

    name: str
    kind: str
    node: str
    rated_w: int
    rated_wh: int | None


class Feeder(NamedTuple):
    """A grid and a season. `power` is days x 96 whole watts per element, all positive; storage has none. `parents` has the
    node that feeds each node, none for `root`, the one at the transformer."""

    elements: Mapping[str, Element]
    days: tuple[date, ...]
    power: Mapping[str, Watts]
    name: str
    rated_kva: int
    zone: str
    root: str
    parents: Mapping[str, str | None]

    def of_kind(self, kind: str) -> list[Element]:
        """Elements of one kind, by name."""
        return [e for e in self.elements.values() if e.kind == kind]

    def net(self) -> Watts:
        """What flows through the transformer: consumption less generation, days x 96 watts."""
        return self.net_of(self.power)

    def net_of(self, names: Any) -> Watts:
        """Consumption less generation of some elements."""
        total = np.zeros((len(self.days), STEPS), np.int64)
        for name in names:
            if name in self.power:
                total += self.power[name] * (-1 if self.elements[name].kind == "pv" else 1)
        return total


def read_feeder(folder: Path) -> Feeder:
    """The feeder in a folder of Parquet files; SettingsError says what is missing or wrong."""
    elements = _read(folder, "elements", {"element", "kind", "node", "rated_w", "rated_wh"})
    power = _read(folder, "power", {"element", "day", "watts"})
    transformer = _read(folder, "transformers", {"transformer", "rated_va", "low"}).to_pylist()[0]
    lines = _read(folder, "lines", {"from", "to"}).to_pylist()
    meta = power.schema.metadata or {}
    by_name = {
        row["element"]: Element(row["element"], row["kind"], row["node"], row["rated_w"], row["rated_wh"])
        for row in sorted(elements.to_pylist(), key=lambda row: _sort_key(row["element"]))
    }
    days = tuple(sorted(set(power["day"].to_pylist())))
    return Feeder(
        by_name,
        days,
        _power(folder, power, days, by_name),
        transformer["transformer"],
        transformer["rated_va"] // 1000,
        meta.get(b"zone", b"").decode() or _wrong(folder, "power.parquet does not say its zone"),
        transformer["low"],
        _parents(transformer["low"], [(line["from"], line["to"]) for line in lines]),
    )


def _parents(root: str, lines: list[tuple[str, str]]) -> dict[str, str | None]:
    """Which node feeds which, outward from the transformer: the grid is radial."""
    beside: dict[str, list[str]] = {}
    for one, other in lines:
        beside.setdefault(one, []).append(other)
        beside.setdefault(other, []).append(one)
    parents: dict[str, str | None] = {root: None}
    reached = [root]
    for node in reached:
        for other in sorted(beside.get(node, ())):
            if other not in parents:
                parents[other] = node
                reached.append(other)
    return parents


def _power(
    folder: Path, table: Any, days: tuple[date, ...], elements: Mapping[str, Element]
) -> dict[str, Watts]:
    flat = table["watts"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    if flat.size != table.num_rows * STEPS:
        _wrong(folder, f"power.parquet has days without {STEPS} values")
    rows = flat.astype(np.int64).reshape(-1, STEPS)
    place = {day: i for i, day in enumerate(days)}
    power: dict[str, Watts] = {}
    for name, day, row in zip(table["element"].to_pylist(), table["day"].to_pylist(), rows, strict=True):
        if name not in elements:
            _wrong(folder, f"power.parquet knows {name}, elements.parquet does not")
        power.setdefault(name, np.zeros((len(days), STEPS), np.int64))[place[day]] = row
    return power


def _read(folder: Path, name: str, columns: set[str]) -> Any:
    path = folder / f"{name}.parquet"
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise SettingsError(
            f"{path} cannot be read: {error}",
            do="Name a folder like examples/feeder of the source with --feeder; tools/extract_feeder.py writes one.",
        ) from error
    missing = columns - set(table.column_names)
    if missing or not table.num_rows:
        _wrong(folder, f"{name}.parquet has no {', '.join(sorted(missing)) or 'rows'}")
    return table


def _sort_key(name: str) -> tuple[str, int]:
    head, _, number = name.rpartition("-")
    return (head, int(number)) if number.isdigit() else (name, 0)


def _wrong(folder: Path, why: str) -> Any:
    raise SettingsError(f"{folder}: {why}", do="Take examples/feeder of the source, or write it again.")
