"""The load data: it says what its README says, and a wrong folder is refused with words."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from intertie.demo.feeder import STEPS, Feeder, read_feeder
from intertie.model.errors import SettingsError

FOLDER = Path(__file__).parents[3] / "examples" / "feeder"


@pytest.fixture(scope="module")
def feeder() -> Feeder:
    return read_feeder(FOLDER)


def test_it_holds_what_its_readme_says(feeder: Feeder) -> None:
    counts = {
        kind: len(feeder.of_kind(kind)) for kind in ("customer", "pv", "heat_pump", "charger", "storage")
    }
    assert counts == {"customer": 118, "pv": 25, "heat_pump": 15, "charger": 12, "storage": 14}
    assert (feeder.days[0], feeder.days[-1], len(feeder.days)) == (date(2026, 1, 5), date(2026, 3, 22), 77)
    assert feeder.days[0].weekday() == 0
    assert (feeder.rated_kva, feeder.zone) == (400, "Europe/Berlin")


def test_values_are_plausible(feeder: Feeder) -> None:
    assert set(feeder.power) == {e.name for e in feeder.elements.values() if e.kind != "storage"}
    for name, rows in feeder.power.items():
        assert rows.shape == (77, STEPS)
        assert rows.min() >= 0
        assert rows.max() <= feeder.elements[name].rated_w * 1.1 + 1
    assert all(e.rated_wh for e in feeder.of_kind("storage"))


def test_nights_have_no_sun_and_the_net_is_consumption_less_generation(feeder: Feeder) -> None:
    pv = feeder.net_of([e.name for e in feeder.of_kind("pv")])
    assert (pv[:, :16] == 0).all()
    assert pv.min() < -20_000
    rest = feeder.net_of([e.name for e in feeder.elements.values() if e.kind != "pv"])
    assert np.array_equal(feeder.net(), rest + pv)


def test_every_node_is_fed_from_the_transformer(feeder: Feeder) -> None:
    assert feeder.parents[feeder.root] is None
    assert {e.node for e in feeder.elements.values()} <= set(feeder.parents)
    for node in feeder.parents:
        steps, here = 0, node
        while (above := feeder.parents[here]) is not None:
            steps, here = steps + 1, above
        assert here == feeder.root and steps < 100


def test_it_is_small_and_its_licence_is_with_it() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 2_000_000
    assert "Open Database License" in (FOLDER / "LICENSE").read_text()
    assert "simbench.de" in (FOLDER / "README.md").read_text()


def test_the_grid_is_one_piece() -> None:
    """Every node hangs on the transformer by its lines."""
    lines = pq.read_table(FOLDER / "lines.parquet").to_pylist()
    transformer = pq.read_table(FOLDER / "transformers.parquet").to_pylist()[0]
    nodes = set(pq.read_table(FOLDER / "nodes.parquet")["node"].to_pylist())
    reached = {transformer["low"]}
    while (
        grown := {
            n for line in lines for n in (line["from"], line["to"]) if {line["from"], line["to"]} & reached
        }
        - reached
    ):
        reached |= grown
    assert reached | {transformer["high"]} == nodes


def test_a_folder_without_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"elements\.parquet cannot be read.*--feeder"):
        read_feeder(tmp_path)


def copy_with(tmp_path: Path, name: str, table: pa.Table) -> Path:
    for path in FOLDER.glob("*.parquet"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    pq.write_table(table, tmp_path / f"{name}.parquet")
    return tmp_path


def test_a_missing_column_is_refused(tmp_path: Path) -> None:
    table = pq.read_table(FOLDER / "elements.parquet").drop_columns(["node"])
    with pytest.raises(SettingsError, match=r"elements\.parquet has no node"):
        read_feeder(copy_with(tmp_path, "elements", table))


def test_power_of_an_unknown_element_is_refused(tmp_path: Path) -> None:
    table = pq.read_table(FOLDER / "elements.parquet").slice(1)
    with pytest.raises(SettingsError, match=r"power\.parquet knows LV3\.101-load-1"):
        read_feeder(copy_with(tmp_path, "elements", table))


def test_days_of_another_length_are_refused(tmp_path: Path) -> None:
    old = pq.read_table(FOLDER / "power.parquet")
    short = pa.table(
        {
            "element": old["element"][:1],
            "day": old["day"][:1],
            "watts": pa.array([[1, 2, 3]], pa.list_(pa.int32(), 3)),
        }
    )
    with pytest.raises(SettingsError, match="days without 96 values"):
        read_feeder(copy_with(tmp_path, "power", short))


def test_a_zone_is_needed(tmp_path: Path) -> None:
    table = pq.read_table(FOLDER / "power.parquet").replace_schema_metadata({})
    with pytest.raises(SettingsError, match="does not say its zone"):
        read_feeder(copy_with(tmp_path, "power", table))
