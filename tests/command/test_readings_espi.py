"""ESPI feeds at the command line: a Green Button file in, and readings out as one."""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.command.gateways import here, make_pair
from tests.unit.formats.espi_world import (
    block,
    feed,
    meter_reading,
    point,
    read,
    reading,
    reading_type,
    series,
    written,
)

from intertie.model.metering import Channel


@pytest.fixture(scope="module")
def utility(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory, _ = make_pair(tmp_path_factory.mktemp("espi"))
    settings = directory / "intertie.toml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text.replace('# zone = "UTC"', 'zone = "America/New_York"'), encoding="utf-8")
    (directory / "now.txt").write_text("2026-12-01T00:00:00Z")
    return directory


def test_a_feed_goes_in_and_comes_out(utility: Path, tmp_path: Path, capsys: Any) -> None:
    said = series([place % 50 for place in range(96)])
    file, out = tmp_path / "green.xml", tmp_path / "out.xml"
    file.write_bytes(written(said))
    taken = here(capsys, "readings", "import", file, "--json", "--dir", utility).json
    assert taken["rows"] == 1 and taken["faults"] == {}
    where = ("--from", "2026-07-01", "--to", "2026-07-01", "--dir", utility)
    done = here(capsys, "readings", "export", out, "M1", "--json", *where).json
    assert (done["meters"], done["series"], done["readings"]) == (1, 1, 96)
    assert read(out.read_bytes())[0] == [said]
    again = here(capsys, "readings", "export", out, *where)
    assert again.code != 0 and "is there already" in again.err
    none = here(capsys, "readings", "export", tmp_path / "none.xml", "M9", *where)
    assert "no readings of these meters" in none.err and not (tmp_path / "none.xml").exists()
    assert not list(tmp_path.glob(".*"))


def test_what_was_not_taken_is_listed_with_its_entry(utility: Path, tmp_path: Path, capsys: Any) -> None:
    watts = reading_type().replace("<uom>72<", "<uom>38<")
    file = tmp_path / "watts.xml"
    file.write_bytes(feed(point(), meter_reading(), watts, block(reading(0, 5), reading(1, 6))))
    done = here(capsys, "readings", "import", file, "--json", "--dir", utility).json
    assert done["rows"] == 0 and done["faults"] == {"wrong_unit": 2}
    found = here(capsys, "readings", "findings", "--json", "--dir", utility).json["findings"]
    assert any("entry 4: uom 38 (W) is not Wh" in one["refused"] for one in found)


def test_usage_points_get_their_meters(utility: Path, tmp_path: Path, capsys: Any) -> None:
    file, points = tmp_path / "green.xml", tmp_path / "points.csv"
    file.write_bytes(feed(point(), meter_reading(), reading_type(), block(reading(0, 5), reading(1, 6))))
    points.write_text("usage_point,meter\nRetailCustomer/9/UsagePoint/M1,N7\n", encoding="utf-8")
    assert (
        here(capsys, "readings", "import", file, "--usage-points", points, "--json", "--dir", utility).json[
            "rows"
        ]
        == 1
    )
    assert (
        here(capsys, "readings", "import", file, "--meter", "N8", "--json", "--dir", utility).json["rows"]
        == 1
    )
    for meter in ("N7", "N8"):
        rows = here(
            capsys, "readings", "show", meter, "--from", "2026-07-01", "--json", "--dir", utility
        ).json["rows"]
        assert [row["readings"] for row in rows if row["readings"]] == [2]
    points.write_text("usage_point,meter\nother,N7\n", encoding="utf-8")
    done = here(capsys, "readings", "import", file, "--usage-points", points, "--json", "--dir", utility).json
    assert done["faults"] == {"foreign_meter": 2}
    both = here(
        capsys, "readings", "import", file, "--usage-points", points, "--meter", "N7", "--dir", utility
    )
    assert both.code != 0 and "two answers" in both.err


def test_a_feed_that_breaks_off_leaves_nothing(utility: Path, tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "broken.xml"
    file.write_bytes(written(series([1] * 96, meter="BROKEN"))[:-30])
    failed = here(capsys, "readings", "import", file, "--dir", utility)
    assert failed.code != 0 and "not well-formed XML" in failed.err and "validate" in failed.err
    assert here(capsys, "readings", "show", "BROKEN", "--dir", utility).err.startswith("intertie: no import")
    wrong = here(capsys, "readings", "import", file, "--quality", "great", "--dir", utility)
    assert "no quality of ESPI" in wrong.err


def test_both_directions_and_a_day_of_25_hours(utility: Path, tmp_path: Path, capsys: Any) -> None:
    autumn = datetime(2026, 11, 1, 4, tzinfo=UTC)
    said = [
        series([number] * 100, meter="TWO", start=autumn, channel=channel)
        for number, channel in ((1, Channel.IMPORT), (2, Channel.EXPORT))
    ]
    file, out = tmp_path / "two.xml", tmp_path / "two-out.xml"
    file.write_bytes(written(*said))
    taken = here(capsys, "readings", "import", file, "--json", "--dir", utility).json
    assert taken["rows"] == 2 and taken["faults"] == {"day_of_25_hours": 200}
    where = ("--from", "2026-11-01", "--to", "2026-11-01", "--dir", utility)
    here(capsys, "readings", "export", out, "TWO", *where)
    assert sorted(read(out.read_bytes())[0], key=str) == sorted(said, key=str)


def test_the_commands_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    page = (Path(__file__).parents[2] / "docs" / "espi.md").read_text(encoding="utf-8")
    commands = re.findall(r"^```sh\n(.*?)^```", page, re.S | re.M)[0]
    utility, aggregator = make_pair(tmp_path)
    utility.rename(tmp_path / "u")
    aggregator.rename(tmp_path / "a")
    for directory in ("u", "a"):
        (tmp_path / directory / "now.txt").write_text("2026-12-01T00:00:00Z")
    monkeypatch.chdir(tmp_path)
    Path("first.xml").write_bytes(written(series([7] * 96)))
    assert here(capsys, "readings", "import", "first.xml", "--dir", "u").code == 0
    for line in commands.splitlines():
        said = here(capsys, *shlex.split(line)[1:])
        assert said.code == 0, (line, said.err)
    rows = here(capsys, "readings", "show", "M1", "--json", "--dir", "a").json["rows"]
    assert sum(row["readings"] for row in rows) == 96
