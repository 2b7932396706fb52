"""Write examples/feeder/: one low-voltage SimBench grid with 77 winter days of 15-minute power, as small Parquet files.

Needs `pip install simbench==1.6.3 pyarrow` in an environment of its own (it brings pandas and pandapower, which
Intertie does not need). Run: python tools/extract_feeder.py examples/feeder

What it does to the data, and nothing else: takes grid 1-LV-rural3--1-sw (scenario 1), the days 2016-01-04 to
2016-03-20, multiplies the profiles by the rated powers as simbench.get_absolute_values does, rounds to whole watts,
and moves the calendar on by exactly 522 weeks, so that weekdays stay what they were. No clock change lies inside.
"""

from __future__ import annotations

import json
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import simbench

GRID = "1-LV-rural3--1-sw"
FIRST, DAYS = date(2016, 1, 4), 77
SHIFT = timedelta(weeks=522)
STEPS = 96
HEAT_PUMP, CHARGER = ("Air", "Soil"), ("HLS", "APLS")
META = {
    "grid": GRID,
    "origin": "SimBench 1.6.3 (https://simbench.de), Open Database License 1.0",
    "zone": "Europe/Berlin",
    "stamped": "start",
    "step_seconds": "900",
    "shift": "522 weeks",
}


def name_of(text: str) -> str:
    """'LV3.101 Load 12' -> 'LV3.101-load-12': a name without blanks."""
    return "-".join(part if part[0].isupper() and "." in part else part.lower() for part in text.split())


def kind_of(profile: str) -> str:
    """What a SimBench load is, by its profile: households and businesses are customers."""
    if profile.startswith(HEAT_PUMP):
        return "heat_pump"
    return "charger" if profile.startswith(CHARGER) else "customer"


def write(folder: Path, name: str, columns: dict[str, Any]) -> None:
    """One table, zstd, with where it comes from in its metadata."""
    table = pa.table(columns).replace_schema_metadata(META)
    pq.write_table(table, folder / f"{name}.parquet", compression="zstd", compression_level=19)


def power_columns(watts: dict[str, np.ndarray]) -> dict[str, Any]:
    """One row per element and day: 96 whole watts, the mean power of each quarter of an hour."""
    names = [name for name in watts for _ in range(DAYS)]
    days = [FIRST + SHIFT + timedelta(days=i) for i in range(DAYS)] * len(watts)
    flat = pa.array(np.concatenate(list(watts.values())), pa.int32())
    return {
        "element": pa.array(names).dictionary_encode(),
        "day": pa.array(days, pa.date32()),
        "watts": pa.FixedSizeListArray.from_arrays(flat, STEPS),
    }


def elements_and_power(net: Any) -> tuple[dict[str, list[Any]], dict[str, np.ndarray]]:
    """Loads, PV and storage as elements; the year profiles of loads and PV cut to the winter days."""
    values = simbench.get_absolute_values(net, profiles_instead_of_study_cases=True)
    times = list(net.profiles["load"]["time"])
    begin = times.index(FIRST.strftime("%d.%m.%Y 00:00"))
    rows: dict[str, list[Any]] = {
        k: [] for k in ("element", "kind", "node", "rated_w", "rated_wh", "profile")
    }
    watts: dict[str, np.ndarray] = {}
    for table in ("load", "sgen", "storage"):
        for index, element in net[table].iterrows():
            name = name_of(element["name"])
            kind = {"load": kind_of(element.profile), "sgen": "pv", "storage": "storage"}[table]
            energy = round(element.max_e_mwh * 1e6) if table == "storage" else None
            found = (name, kind, name_of(net.bus.name[element.bus]), round(abs(element.p_mw) * 1e6), energy)
            for column, value in zip(rows, (*found, element.profile), strict=True):
                rows[column].append(value)
            # SimBench's storage profiles follow its own PV rule; here storage does what the aggregator tells it.
            if table != "storage":
                series = values[table, "p_mw"][index].to_numpy()[begin : begin + DAYS * STEPS]
                watts[name] = np.rint(series * 1e6).astype(np.int32)
    return rows, watts


def main(folder: Path) -> None:
    """Write all five tables."""
    folder.mkdir(parents=True, exist_ok=True)
    net = simbench.get_simbench_net(GRID)
    rows, watts = elements_and_power(net)
    write(folder, "elements", rows)
    write(folder, "power", power_columns(watts))
    places = [json.loads(geo)["coordinates"] for geo in net.bus.geo]
    write(
        folder,
        "nodes",
        {
            "node": [name_of(n) for n in net.bus.name],
            "volts": [round(kv * 1000) for kv in net.bus.vn_kv],
            "longitude": [float(p[0]) for p in places],
            "latitude": [float(p[1]) for p in places],
        },
    )
    node = {index: name_of(name) for index, name in net.bus.name.items()}
    write(
        folder,
        "lines",
        {
            "line": [name_of(n) for n in net.line.name],
            "from": [node[b] for b in net.line.from_bus],
            "to": [node[b] for b in net.line.to_bus],
            "millimetres": [round(km * 1e6) for km in net.line.length_km],
            "ampere": [round(ka * 1000) for ka in net.line.max_i_ka],
            "type": list(net.line.std_type),
        },
    )
    write(
        folder,
        "transformers",
        {
            "transformer": [name_of(n) for n in net.trafo.name],
            "high": [node[b] for b in net.trafo.hv_bus],
            "low": [node[b] for b in net.trafo.lv_bus],
            "rated_va": [round(mva * 1e6) for mva in net.trafo.sn_mva],
        },
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
