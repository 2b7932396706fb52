"""Keys of sealed offers: encrypted at rest, one for each revision, in a copy of the keys, and gone when they go."""

from __future__ import annotations

import shutil
import stat
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from intertie.gateway.trading.sealed_ports import KeptKey
from intertie.model.documents import example
from intertie.model.errors import SettingsError
from intertie.model.ids import AgreementId, DocumentName, PartyId
from intertie.model.offers import Offer
from intertie.seal.protection import Opener, Secrets
from intertie.seal.vault import Vault
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


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault.create(tmp_path / "keys", PartyId("a.example"), "none", Opener(Secrets(), tmp_path, {}))


def files_of(vault: Vault) -> SealedFiles:
    return SealedFiles(vault, vault.folder.parent / "sealed")


def paths_of(vault: Vault) -> list[Path]:
    return list((vault.folder / "sealed").iterdir())


def test_kept_read_and_destroyed(vault: Vault) -> None:
    files = files_of(vault)
    assert list(files.all()) == []
    other = replace(KEY, revision=2)
    files.keep(KEY)
    files.keep(other)
    assert KEY in files.all() and other in files.all()
    paths = paths_of(vault)
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o600}
    assert not any("O:1" in path.name or "utility" in path.name for path in paths)
    files.destroy(KEY)
    files.destroy(KEY)
    assert list(files_of(vault).all()) == [other] and len(paths_of(vault)) == 1


def test_nothing_of_an_offer_or_its_key_is_readable_at_rest(vault: Vault) -> None:
    files_of(vault).keep(KEY)
    (path,) = paths_of(vault)
    assert path.read_bytes().startswith(b"ITK1")
    for secret in (KEY.key, KEY.salt, KEY.offer, "utility.example"):
        assert secret.encode() not in path.read_bytes()


def test_a_copy_of_the_keys_folder_has_them(vault: Vault, tmp_path: Path) -> None:
    files_of(vault).keep(KEY)
    copy = tmp_path / "elsewhere" / "keys"
    shutil.copytree(vault.folder, copy)
    restored = SealedFiles(Vault(copy, Opener(Secrets(), tmp_path, {})), tmp_path / "none")
    assert list(restored.all()) == [KEY]


def test_a_key_is_never_overwritten(vault: Vault) -> None:
    files = files_of(vault)
    files.keep(KEY)
    with pytest.raises(SettingsError, match="exists"):
        files.keep(replace(KEY, salt="C" * 42 + "A"))
    assert list(files.all()) == [KEY]


def test_a_file_that_was_changed_is_named_and_keeps_back_no_other(vault: Vault) -> None:
    files = files_of(vault)
    files.keep(KEY)
    (path,) = paths_of(vault)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    files.keep(replace(KEY, revision=2))
    read = list(files.all())
    (wrong,) = [one for one in read if isinstance(one, SettingsError)]
    assert "cannot be read" in wrong.why and path.name in wrong.why
    assert [one.revision for one in read if isinstance(one, KeptKey)] == [2]


def test_files_of_before_are_moved_and_what_is_none_is_named_and_not_quoted(vault: Vault) -> None:
    before = vault.folder.parent / "sealed"
    before.mkdir()
    (before / "a.json").write_bytes(msgspec.json.encode(KEY))
    (before / "b.json").write_text('{"key": "SECRET-4711"}')
    first, second = files_of(vault).all()
    assert first == KEY and isinstance(second, SettingsError) and "SECRET" not in str(second)
    assert [path.name for path in before.iterdir()] == ["b.json"]
    assert files_of(vault).all()[0] == KEY


def test_a_folder_that_cannot_be_made(vault: Vault) -> None:
    (vault.folder / "sealed").write_text("a file")
    with pytest.raises(SettingsError, match="cannot be written"):
        files_of(vault).keep(KEY)
