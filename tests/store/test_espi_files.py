"""Applications, consents and askings as files: whole or not there, for their owner only, one change after the other, and no id
leads anywhere else."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from intertie.gateway.espi.espi_ports import (
    ID_CHARACTERS,
    NO_ID,
    Application,
    Asking,
    Consent,
    Token,
    digest_of,
    ids_in,
    new_id,
    new_secret,
)
from intertie.model.errors import SettingsError
from intertie.model.ids import MeterId
from intertie.stores.espi_files import NAME, EspiFiles, is_id

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def application(name: str = "Sun App", **changed: object) -> Application:
    said: dict[str, object] = {
        "id": new_id(),
        "name": name,
        "digest": digest_of("secret"),
        "made": NOW,
        "redirect_uris": ("https://app.example/back",),
        "scope": "FB=4_5",
    }
    return Application(**(said | changed))  # type: ignore[arg-type]


def consent(of: Application, **changed: object) -> Consent:
    said: dict[str, object] = {
        "id": new_id(),
        "application": of.id,
        "customer": "C-1",
        "meters": (MeterId("M1"),),
        "scope": "FB=4",
        "made": NOW,
        "until": NOW + timedelta(days=1),
        "since": NOW,
    }
    return Consent(**(said | changed))  # type: ignore[arg-type]


def asking(of: Application, **changed: object) -> Asking:
    said: dict[str, object] = {
        "id": new_id(),
        "digest": digest_of("page"),
        "application": of.id,
        "redirect_uri": of.redirect_uris[0],
        "scope": "FB=4",
        "asked": NOW,
    }
    return Asking(**(said | changed))  # type: ignore[arg-type]


@pytest.fixture
def book(tmp_path: Path) -> EspiFiles:
    return EspiFiles(tmp_path / "espi")


def test_what_was_put_is_there_for_who_looks_next(book: EspiFiles, tmp_path: Path) -> None:
    assert list(book.applications()) == [] and book.application(new_id()) is None
    one, other = application("B"), application("A")
    for each in (one, other):
        book.put_application(each)
    given_ = sorted([consent(one), consent(one)], key=lambda each: each.id)
    for each in given_:
        book.put_consent(each)
    later = asking(one, asked=NOW + timedelta(seconds=1))
    first = asking(
        other, state="s", challenge="c" * 43, method="S256", code=Token(digest=digest_of("c"), expires=NOW)
    )
    for waits in (later, first):
        book.put_asking(waits)
    again = EspiFiles(tmp_path / "espi")
    assert list(again.applications()) == [other, one], "by name"
    assert again.application(one.id) == one
    assert list(again.consents(one.id)) == given_ and list(again.consents(other.id)) == []
    assert again.consent(one.id, given_[0].id) == given_[0] and again.consent(other.id, given_[0].id) is None
    assert list(again.askings()) == [first, later] and again.asking(first.id) == first
    again.forget_asking(first.id)
    again.forget_asking(first.id)
    assert list(book.askings()) == [later]


def test_what_is_put_again_replaces(book: EspiFiles) -> None:
    one = application()
    book.put_application(one)
    book.put_application(replace(one, revoked=NOW))
    [found] = book.applications()
    assert found.revoked == NOW


@pytest.mark.parametrize(
    "id", ["", "..", "../../etc", "a" * 12 + "/", "A" * 12, "g" * 12, "a" * 11, "a" * 13, "\0" * 12]
)
def test_no_id_leads_anywhere_else(book: EspiFiles, id: str) -> None:
    one = application()
    book.put_application(one)
    assert not is_id(id)
    assert book.application(id) is None and book.consent(id, id) is None and book.consent(one.id, id) is None
    assert book.asking(id) is None and list(book.consents(id)) == []
    book.forget_asking(id)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**msgspec.to_builtins(one), "id": id}, Application)


def test_only_its_owner_reads_it(book: EspiFiles, tmp_path: Path) -> None:
    one = application()
    book.put_application(one)
    book.put_consent(consent(one))
    book.put_asking(asking(one))
    found = list((tmp_path / "espi").rglob("*"))
    assert len(found) >= 6 and all(path.stat().st_mode & 0o077 == 0 for path in found)


def test_a_file_that_is_broken_is_said_and_what_a_crash_left_is_not_read(
    book: EspiFiles, tmp_path: Path
) -> None:
    one = application()
    book.put_application(one)
    path = tmp_path / "espi" / one.id / NAME
    path.with_name(f".{NAME}.new").write_bytes(b"{")  # a crash came while it was written
    assert list(book.applications()) == [one]
    book.put_application(replace(one, name="Again"))
    assert [each.name for each in book.applications()] == ["Again"]
    for broken in (
        b"",
        b"{}",
        b"\xff",
        path.read_bytes().replace(b"FB=4_5", b"FB=none"),
        path.read_bytes()[:-5],
    ):
        path.write_bytes(broken)
        with pytest.raises(SettingsError, match="cannot be read"):
            book.application(one.id)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(SettingsError):
        EspiFiles(tmp_path / "espi").put_application(application())


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "espi").write_bytes(b"")
    book = EspiFiles(tmp_path / "espi")
    with pytest.raises(SettingsError, match="Check permissions"):
        book.put_application(application())
    assert book.application(new_id()) is None


def test_changes_of_many_come_one_after_the_other(book: EspiFiles) -> None:
    one = application()
    book.put_application(one)

    def add() -> None:
        for _ in range(5):
            with book.alone():
                known = book.application(one.id)
                assert known is not None
                book.put_application(replace(known, told_rows=known.told_rows + 1))

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = book.application(one.id)
    assert found is not None and found.told_rows == one.told_rows + 40


# Records, and secrets that name what they belong to


def test_rules_of_records() -> None:
    one = application()
    for wrong in (
        {"redirect_uris": ("https://a.example/x", "https://a.example/x")},
        {"redirect_uris": ("http://a.example/x",)},
        {"notify_uri": "http://a.example/x"},
    ):
        with pytest.raises(ValueError):
            replace(one, **wrong)
    assert replace(one, notify_uri="http://127.0.0.1:1/x").notify_uri
    given_ = consent(one)
    with pytest.raises(ValueError, match="until"):
        replace(given_, until=NOW)
    with pytest.raises(ValueError, match="meters"):
        replace(given_, meters=("M1", "M1"))
    assert given_.counts(NOW) and not given_.counts(NOW + timedelta(days=1))
    assert not replace(given_, revoked=NOW).counts(NOW)


def test_a_secret_names_what_it_belongs_to() -> None:
    first, second = new_id(), new_id()
    secret = new_secret(first, second)
    assert ids_in(secret.text, 2) == [first, second] and ids_in(secret.text, 1) == [first]
    assert secret.digest == digest_of(secret.text) and secret.text not in secret.digest
    assert len(NO_ID) == ID_CHARACTERS and is_id(NO_ID)
    token = Token(digest=secret.digest, expires=NOW)
    before = NOW - timedelta(seconds=1)
    assert (
        token.is_it(secret.text, before)
        and not token.is_it(secret.text, NOW)
        and not token.is_it("x", before)
    )


@given(st.text(max_size=60), st.integers(1, 3))
def test_any_text_as_a_secret(text: str, count: int) -> None:
    found = ids_in(text, count)
    assert found is None or (
        len(found) == count and all(map(is_id, found)) and text.startswith("".join(found))
    )
