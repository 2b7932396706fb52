"""API keys: what is kept, what lets in, and that every wrong one is told the same."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.exchange.house import NOW, make_pair

from intertie.gateway.office.api_keys import LIFE_MAX, NotLetIn, OfficeRole, add_key, let_in, revoke_key
from intertie.gateway.office.office_rights import (
    MATRIX,
    SENDS,
    NotAllowed,
    Right,
    check_category,
    check_right,
)
from intertie.model.errors import SettingsError
from intertie.stores.api_key_files import ApiKeyFiles

MONTH = timedelta(days=30)
GATEWAY = make_pair().utility


@pytest.fixture
def keys(tmp_path: Path) -> ApiKeyFiles:
    return ApiKeyFiles(tmp_path / "office")


def test_what_is_kept_opens_nothing(keys: ApiKeyFiles, tmp_path: Path) -> None:
    made = add_key(GATEWAY, keys, "billing", OfficeRole.SETTLEMENT, MONTH, NOW)
    kept = (tmp_path / "office" / "keys.json").read_bytes()
    secret = made.text.split("_", 2)[2]
    assert secret.encode() not in kept and hashlib.sha256(secret.encode()).hexdigest().encode() in kept
    assert (tmp_path / "office" / "keys.json").stat().st_mode & 0o077 == 0
    assert len(secret) == 43  # 256 bits in base64url
    assert let_in(keys, made.text, NOW) == made.key
    with pytest.raises(NotLetIn):
        let_in(keys, f"itk_{made.key.id}_{made.key.digest}", NOW)


def test_another_process_sees_a_key_and_its_end_at_once(keys: ApiKeyFiles, tmp_path: Path) -> None:
    other = ApiKeyFiles(tmp_path / "office")
    assert other.all() == []
    made = add_key(GATEWAY, keys, "billing", OfficeRole.SETTLEMENT, MONTH, NOW)
    assert let_in(other, made.text, NOW).name == "billing"
    revoke_key(GATEWAY, keys, "billing", NOW)
    with pytest.raises(NotLetIn):
        let_in(other, made.text, NOW)


def test_names_lives_and_ends(keys: ApiKeyFiles) -> None:
    made = add_key(GATEWAY, keys, "billing", OfficeRole.SETTLEMENT, MONTH, NOW)
    with pytest.raises(SettingsError, match="already"):
        add_key(GATEWAY, keys, "billing", OfficeRole.TRADER, MONTH, NOW)
    for life in (timedelta(0), -MONTH, LIFE_MAX + timedelta(seconds=1)):
        with pytest.raises(SettingsError, match="lives"):
            add_key(GATEWAY, keys, "other", OfficeRole.TRADER, life, NOW)
    with pytest.raises(SettingsError, match="no key"):
        revoke_key(GATEWAY, keys, "nobody", NOW)
    assert let_in(keys, made.text, NOW + MONTH - timedelta(seconds=1))
    with pytest.raises(NotLetIn):
        let_in(keys, made.text, NOW + MONTH)
    again = add_key(GATEWAY, keys, "billing", OfficeRole.TRADER, MONTH, NOW + MONTH)  # the name is free
    assert let_in(keys, again.text, NOW + MONTH).role is OfficeRole.TRADER
    assert [key.name for key in revoke_key(GATEWAY, keys, "billing", NOW + MONTH)] == ["billing", "billing"]
    assert revoke_key(GATEWAY, keys, "billing", NOW + MONTH) == []


def test_a_broken_file_says_so(keys: ApiKeyFiles, tmp_path: Path) -> None:
    add_key(GATEWAY, keys, "billing", OfficeRole.SETTLEMENT, MONTH, NOW)
    (tmp_path / "office" / "keys.json").write_text("[{")
    with pytest.raises(SettingsError, match=r"keys\.json"):
        keys.all()


@given(st.text(max_size=80))
def test_no_text_lets_in(text: str) -> None:
    class Nobody:
        def all(self) -> list[None]:
            return []

        def find(self, id: str) -> None:
            return None

        def put(self, key: object) -> None:
            raise AssertionError

    for said in (text, f"itk_{text}", f"itk_000000000000_{text}"):
        with pytest.raises(NotLetIn) as raised:
            let_in(Nobody(), said, NOW)  # type: ignore[arg-type]
        assert raised.value.why == "there is no such key, or it does not count any more"


def test_the_matrix_gives_the_least() -> None:
    """An auditor changes nothing, an administrator reads nothing of the business, nobody may do everything."""
    acts = {Right.SEND, Right.REPAIR, Right.CONTRACT, Right.DECLARE, Right.CALL, Right.ANSWER, Right.KEYS}
    acts |= {Right.REGISTER, Right.MARKET, Right.OUTAGE}
    may = {role: {right for right in Right if role in MATRIX[right]} for role in OfficeRole}
    assert not may[OfficeRole.AUDITOR] & acts and not SENDS[OfficeRole.AUDITOR]
    assert (
        may[OfficeRole.ADMIN]
        == {
            Right.KNOW,
            Right.LOOK,
            Right.KEYS,
            Right.PEOPLE,
            Right.PARTNERS,
        }
        and not SENDS[OfficeRole.ADMIN]
    )
    for right in (Right.CONTRACT, Right.REGISTER, Right.MARKET):
        assert right not in may[OfficeRole.OPERATOR] | may[OfficeRole.SETTLEMENT]
    assert all(rights != set(Right) for rights in may.values())
    for role in OfficeRole:
        for right in Right:
            if right in may[role]:
                check_right(frozenset({role}), right)
            else:
                with pytest.raises(NotAllowed):
                    check_right(frozenset({role}), right)
        for category in frozenset().union(*SENDS.values()) - SENDS[role]:
            with pytest.raises(NotAllowed, match=str(role)):
                check_category(frozenset({role}), category)
