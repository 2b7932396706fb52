"""Keys of sealed offers as files: for their owner only, one for each revision, and gone when they go."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from intertie.gateway.sealed_ports import KeptKey
from intertie.model.documents import example
from intertie.model.errors import SettingsError
from intertie.model.ids import AgreementId, DocumentName, PartyId
from intertie.model.offers import Offer
from intertie.stores.sealed_files import SealedFiles

_, INSIDE = example(DocumentName("offer"))
assert isinstance(INSIDE, Offer)
KEY = KeptKey(
    partner=PartyId("utility.example"),
    agreement=AgreementId("GSA-1"),
    need="N/1",
    offer="O:1/a",
    revision=1,
    key="A" * 42 + "A",
    salt="B" * 42 + "A",
    keys_by=datetime(2026, 7, 1, tzinfo=UTC),
    inside=INSIDE,
)


def test_kept_read_and_destroyed(tmp_path: Path) -> None:
    files = SealedFiles(tmp_path / "sealed")
    assert list(files.all()) == []
    other = replace(KEY, revision=2)
    files.keep(KEY)
    files.keep(other)
    assert KEY in files.all() and other in files.all()
    paths = list((tmp_path / "sealed").iterdir())
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o600}
    assert stat.S_IMODE((tmp_path / "sealed").stat().st_mode) == 0o700
    assert not any("O:1" in path.name or "utility" in path.name for path in paths)
    files.destroy(KEY)
    files.destroy(KEY)
    assert list(SealedFiles(tmp_path / "sealed").all()) == [other]


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    files = SealedFiles(tmp_path / "sealed")
    files.keep(KEY)
    with pytest.raises(SettingsError, match="exists"):
        files.keep(replace(KEY, salt="C" * 42 + "A"))
    assert list(files.all()) == [KEY]


def test_a_file_that_is_none_is_named_and_not_quoted(tmp_path: Path) -> None:
    files = SealedFiles(tmp_path / "sealed")
    files.keep(KEY)
    (path,) = (tmp_path / "sealed").iterdir()
    path.write_text('{"key": "SECRET-4711"}')
    files.keep(replace(KEY, revision=2))
    read = list(files.all())
    (wrong,) = [one for one in read if isinstance(one, SettingsError)]
    assert "cannot be read" in wrong.why and "SECRET" not in str(wrong)
    assert [one.revision for one in read if isinstance(one, KeptKey)] == [2]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "sealed").write_text("a file")
    with pytest.raises(SettingsError, match="cannot be written"):
        SealedFiles(tmp_path / "sealed").keep(KEY)
