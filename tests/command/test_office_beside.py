"""What an office process has beside its gateway, over a real directory: keys and dates, files that come, readings, roots."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.command.gateways import AGGREGATOR, UTILITY, make_pair
from tests.exchange.file_world import foreign_of

from intertie.gateway.office.office_beside import NOTHING
from intertie.gateway.office.uploaded_ports import UploadError
from intertie.gateway.views.view_policy import findings
from intertie.model.errors import SettingsError
from intertie.model.ids import PartyId
from intertie.run.held import Held, legacy_use
from intertie.run.office_work import OfficeOpened, beside_of

AT = datetime(2026, 2, 1, tzinfo=UTC)
CSV = b"meter,start,value,minutes\nM1,2026-01-10T00:00:00Z,1.5,60\nM1,2026-01-10T01:00:00Z,much,60\n"


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OfficeOpened]:
    """The utility's directory, opened for its office."""
    directory, _ = make_pair(tmp_path_factory.mktemp("beside"))
    with closing(OfficeOpened(directory)) as it:
        it.store.unlock()
        yield it


def test_everything_that_pages_need_is_there(it: OfficeOpened) -> None:
    beside = beside_of(it)
    assert beside is beside_of(it), "one place for files, one lock for whoever settles"
    assert beside.settler() and beside.keys() and beside.files()
    assert beside.zone == it.settings.readings.zone == "UTC" and beside.tsa().roots == ()
    assert {"as2", "uftp", "sftp", "upload", "ftps"} <= set(beside.verifiers)


def test_dates_of_descriptors_and_keys(it: OfficeOpened) -> None:
    dates = beside_of(it).keys().dates()
    now = it.clock()
    assert dates.own is not None and dates.own > now
    assert set(dates.partners) == {AGGREGATOR} and all(end > now for end in dates.partners.values())
    assert {one.kind for one in dates.keys} >= {"wrapping"}
    assert all(one.since <= now for one in dates.keys)
    calm = findings(it.gateway, dates, now, 0)
    assert calm.now == () and calm.within_days == 0
    later = findings(it.gateway, dates, now + timedelta(days=3650), 0)
    assert later.now and all(one.do for one in later.now), "in ten years nothing of today holds"


def test_the_inventory_names_what_is_in_use_and_nothing_private(it: OfficeOpened) -> None:
    raw = Held(it).inventory(AT)
    said = json.loads(raw)
    assert said["bomFormat"] == "CycloneDX" and said["specVersion"] == "1.6"
    names = {one["name"] for one in said["components"]}
    assert {"ML-DSA-65", "ES256", "AES-256-GCM"} <= names
    assert AGGREGATOR.encode() in raw and UTILITY.encode() in raw and b"PRIVATE" not in raw


@pytest.mark.parametrize(
    ("format", "carrier", "how"),
    [
        ("csv", "sftp", "SSH in transit"),
        ("json", "sftp", "SSH in transit"),
        ("x12", "sftp", "SSH in transit"),
    ],
)
def test_an_older_protocol_is_in_the_inventory_with_its_end(format: str, carrier: str, how: str) -> None:
    party = PartyId(AGGREGATOR)
    found = legacy_use(party, foreign_of(party, format))
    assert (found.protocol, found.until) == (carrier, "2027-12-31") and how in found.protection


def test_files_are_kept_under_the_gateway_s_own_key(it: OfficeOpened) -> None:
    files = beside_of(it).files()
    begun = files.begin("ann", "readings.csv", len(CSV), AT)
    files.add("ann", begun.id, 0, CSV)
    assert files.content("ann", begun.id) == CSV
    folder = it.places.office / "uploads" / begun.id
    assert not any(b"meter" in path.read_bytes() for path in folder.iterdir())
    with closing(OfficeOpened(it.directory)) as other:
        assert beside_of(other).files().content("ann", begun.id) == CSV, "another office process opens it too"
    files.end("ann", begun.id, b"what came of it")
    assert files.result("ann", begun.id) == b"what came of it"
    assert [one.done for one in files.mine("ann")] == [True]
    with pytest.raises(UploadError):
        files.content("ann", begun.id)
    files.drop("ann", begun.id)


def test_readings_are_judged_and_kept_in_the_gateway_s_own(it: OfficeOpened) -> None:
    settler = beside_of(it).settler()
    looked = settler.look(CSV, AT)
    assert looked.days == 1 and looked.wrong == 1 and looked.rows[0].place == "line 3"
    before = it.store.head().size
    came = settler.keep(CSV, AT)
    assert (came.right, came.wrong) == (1, 1)
    assert it.readings.store.summary().rows == 1
    assert it.store.head().size == before + 1, "the journal has the hash of the file"


def test_where_something_is_missing_it_is_said() -> None:
    for ask in (NOTHING.settler, NOTHING.keys, NOTHING.files):
        with pytest.raises(SettingsError) as caught:
            ask()
        assert caught.value.do
    assert NOTHING.tsa().roots == () and NOTHING.verifiers == {}


def test_a_gateway_that_serves_loads_no_arrow_for_its_office() -> None:
    """The office is a process of its own: docs/attachments.md promises the peak of those that serve partners."""
    code = "import sys, intertie.run.serving; print('pyarrow' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["False"]


def test_the_office_s_own_folder_is_its_owner_s(it: OfficeOpened, tmp_path: Path) -> None:
    files = beside_of(it).files()
    begun = files.begin("ann", "a", 1, AT)
    folder = it.places.office / "uploads" / begun.id
    assert folder.stat().st_mode & 0o077 == 0
    files.drop("ann", begun.id)
    assert not folder.exists()
