"""intertie.toml: what `init` writes is read back the same; what is wrong is named with its place."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.gateway.configuration.settings import (
    Authorization,
    Delivery,
    Escalation,
    Places,
    Quota,
    Settings,
    StorePlace,
    Street,
    parse_settings,
    read_settings,
    settings_text,
)
from intertie.gateway.configuration.settings_template import TEMPLATE
from intertie.gateway.gateway import Limits
from intertie.model.errors import SettingsError
from intertie.model.party import Party, Role
from intertie.seal.policy_settings import AlgorithmEnd, KeyDays, PolicySettings

PARTY = Party(id="utility.example", name="City Light", roles=frozenset({Role.DISTRIBUTION_UTILITY}))
URL = "https://127.0.0.1:8443"
TEXT = settings_text(PARTY, URL, "127.0.0.1:8443")


def test_what_is_written_is_read_back() -> None:
    settings = parse_settings(TEXT)
    assert settings.party == PARTY
    assert settings.street == Street(url=URL, listen="127.0.0.1:8443")
    assert settings.clock.file is None
    assert settings.limits == Limits()
    assert settings.street.address() == ("127.0.0.1", 8443)


def test_every_line_that_shows_a_default_shows_the_true_one() -> None:
    lines = []
    for line in TEXT.splitlines():
        shown = line.removeprefix("# ")
        is_setting = line.startswith("# ") and "=" in shown and " " not in shown.split("=")[0].rstrip()
        lines.append(shown if is_setting and "now.txt" not in line else line)
    uncommented = "\n".join(lines)
    assert uncommented.count("\n# ") < TEXT.count("\n# ") - 10
    assert parse_settings(uncommented) == parse_settings(TEXT)


def test_every_setting_is_in_the_template() -> None:
    for kind in (Street, Quota, Delivery, Limits, KeyDays, Authorization, Escalation, StorePlace):
        for name in kind.__struct_encode_fields__:
            assert f"{name} = " in TEMPLATE, name


@pytest.mark.parametrize(
    ("lines", "place"),
    [
        ('host = "m.example"', "needs `from` and `to`"),
        ('host = "m.example"\nfrom = "a@b.example"\nto = [""]', "needs `from` and `to`"),
        ('from = "Operator <a@b.example>"', "escalation.from"),
        ('to = ["a@b.example\\nBcc: c@d.example"]', "escalation.to"),
        ('user = "u"', "password_file"),
        ('password_file = "p"', "user"),
        ('user = "u"\npassword_file = "p"\nstarttls = false', "in the clear"),
        ("port = 0", "escalation.port"),
    ],
)
def test_whom_to_write_to_is_checked(lines: str, place: str) -> None:
    with pytest.raises(SettingsError, match=place):
        parse_settings(TEXT.replace("[escalation]\n", f"[escalation]\n{lines}\n"))


def test_a_gateway_without_a_door() -> None:
    settings = parse_settings(settings_text(PARTY, "", ""))
    assert not settings.street.is_open
    assert parse_settings(TEXT).street.is_open
    assert parse_settings(TEXT).pull.again.total_seconds() == 15.0


def test_whom_to_write_to() -> None:
    lines = 'host = "m.example"\nfrom = "a@b.example"\nto = ["c@d.example", "e@f.example"]'
    settings = parse_settings(TEXT.replace("[escalation]\n", f"[escalation]\n{lines}\n")).escalation
    assert (settings.host, settings.sender, settings.to) == (
        "m.example",
        "a@b.example",
        ("c@d.example", "e@f.example"),
    )
    assert parse_settings(TEXT).escalation.host == "", "nobody is written to by default"


def test_the_policy_is_read() -> None:
    assert parse_settings(TEXT).policy == PolicySettings()
    text = TEXT.replace("# harvest_horizon = 2030-12-31", "harvest_horizon = 2029-01-01")
    text = text.replace("# data = 31", "data = 7")
    text = text.replace("[store]", "[[policy.ends]]\nalgorithm = 'ML-DSA-65'\nday = 2028-06-30\n[store]")
    assert parse_settings(text).policy == PolicySettings(
        harvest_horizon=date(2029, 1, 1),
        key_days=KeyDays(data=7),
        ends=(AlgorithmEnd(algorithm="ML-DSA-65", day=date(2028, 6, 30)),),
    )
    shown = set(PolicySettings.__struct_fields__) - {"ends", "key_days", "tls_least"}
    assert all(f"# {name} = " in TEMPLATE for name in shown)


def test_a_rehearsal_clock_is_written() -> None:
    settings = parse_settings(settings_text(PARTY, URL, "127.0.0.1:8443", "../now.txt"))
    assert settings.clock.file == "../now.txt"


@given(st.text(max_size=60))
def test_any_name_survives_its_quotes(name: str) -> None:
    party = Party(id="a.example", name=name, roles=frozenset({Role.AGENCY}))
    try:
        text = settings_text(party, URL, "127.0.0.1:1")
    except SettingsError:  # control characters that TOML has no room for
        assert any(ord(c) < 32 or 0xD800 <= ord(c) <= 0xDFFF or ord(c) == 127 for c in name)
        return
    assert parse_settings(text).party.name == name


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (("[limits]", "[limits]\nparcel_byte = 3"), "parcel_byte"),
        (("[limits]", "[limits]\nparcel_bytes = 'many'"), "parcel_bytes"),
        (("[quota]", "[quota]\nparcels_per_second = 0.0"), "parcels_per_second"),
        (("[party]", "[party"), "not TOML"),
        (('"https://', '"http://'), "https"),
        (('listen = "127.0.0.1:8443"', 'listen = "8443"'), "host:port"),
        (('listen = "127.0.0.1:8443"', 'listen = "127.0.0.1:99999"'), "host:port"),
        (('# listen = "127.0.0.1:8453"', 'listen = "8453"'), "host:port"),
        (('listen = "127.0.0.1:8443"', 'listen = ""'), "without a door has neither"),
        ((f'url = "{URL}"', 'url = ""'), "without a door has neither"),
        (("# again_seconds = 15.0", "again_seconds = 0.0"), "again_seconds"),
        (("# wait_seconds = 30.0", "wait_seconds = 600.0"), "wait_seconds"),
        (('["distribution_utility"]', "[]"), "role"),
        (('["distribution_utility"]', '["king"]'), "king"),
        (("utility.example", "Utility Example"), "party"),
        (("# workers = 4", "workers = 0"), "workers"),
        (("# idle_seconds = 15.0", "idle_seconds = -1.0"), "idle_seconds"),
        (("[store]", "[shop]"), "shop"),
        (("# high_years = 20", "high_years = 0"), "policy.high_years"),
        (("# harvest_horizon = 2030-12-31", "harvest_horizon = 2040-01-01"), "after disallow_date"),
        (("# data = 31", "data = 4000"), "730 at most"),
        (
            ("[policy.key_days]", "[[policy.ends]]\nalgorithm = 'X'\nday = 2030-01-01\n[policy.key_days]"),
            "'X' is none of",
        ),
    ],
)
def test_what_is_wrong_is_named(change: tuple[str, str], place: str) -> None:
    assert change[0] in TEXT
    with pytest.raises(SettingsError) as caught:
        parse_settings(TEXT.replace(*change), "here/intertie.toml")
    assert "here/intertie.toml" in str(caught.value)
    assert place in str(caught.value)
    assert caught.value.do


def test_a_directory_without_settings_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="intertie init"):
        read_settings(tmp_path)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("mysql://db.example/x", "postgresql://"),
        ("store.db", "postgresql://"),
        ("postgresql://me:word@db.example/x", "password"),
        ("postgresql://me@db.example/x?sslmode=require&password=word", "password"),
    ],
)
def test_an_address_of_a_store_is_postgresql_and_holds_no_password(url: str, why: str) -> None:
    with pytest.raises(SettingsError, match=why) as caught:
        parse_settings(TEXT.replace('# url = ""', f'url = "{url}"'))
    assert "word@" not in str(caught.value) and "=word" not in str(caught.value)


def test_a_store_in_a_database() -> None:
    lines = 'url = "postgresql://me@/db?host=%2Frun%2Fpg"\nschema = "grid_a"\npassword_file = "pw"'
    place = parse_settings(TEXT.replace('# url = ""', lines, 1)).store
    assert (place.url, place.schema_name, place.password_file) == (
        "postgresql://me@/db?host=%2Frun%2Fpg",
        "grid_a",
        "pw",
    )
    for schema in ("Grid", "a-b", "a;b", "1a", "a\\n", ""):
        with pytest.raises(SettingsError, match="schema"):
            parse_settings(TEXT.replace('# schema = "intertie"', f'schema = "{schema}"'))


def test_settings_that_are_not_text(tmp_path: Path) -> None:
    (tmp_path / "intertie.toml").write_bytes(b"\xff\xfe[party]")
    with pytest.raises(SettingsError, match="cannot be read"):
        read_settings(tmp_path)


def test_a_settings_directory_instead_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "intertie.toml").mkdir()
    with pytest.raises(SettingsError, match="cannot be read"):
        read_settings(tmp_path)


def test_settings_on_disk(tmp_path: Path) -> None:
    (tmp_path / "intertie.toml").write_text(TEXT, encoding="utf-8")
    assert read_settings(tmp_path) == parse_settings(TEXT)


def test_places_are_relative_to_the_directory_unless_absolute() -> None:
    places = Places(Path("gateway"))
    assert places.of("store.db") == Path("gateway/store.db")
    assert places.of("/var/lib/store.db") == Path("/var/lib/store.db")
    assert places.keys == Path("gateway/keys")


def test_addresses() -> None:
    assert Street(url=URL, listen="[::1]:8443").address() == ("::1", 8443)
    assert Street(url=URL, listen="0.0.0.0:443").address() == ("0.0.0.0", 443)


def test_a_default_gateway_takes_the_largest_message_it_may_send() -> None:
    settings = Settings(party=PARTY, street=Street(url=URL))
    assert settings.street.held_bytes >= settings.limits.parcel_bytes > settings.limits.parcel_target_bytes
    assert settings.quota.bytes_burst >= settings.limits.parcel_bytes


@pytest.mark.parametrize(
    ("seconds", "good"), [(30, True), (300, True), (3600, True), (29, False), (3601, False), (1.5, False)]
)
def test_tokens_are_short_lived(seconds: float, good: bool) -> None:
    text = settings_text(PARTY, URL, "127.0.0.1:8443").replace(
        "# token_seconds = 300", f"token_seconds = {seconds}"
    )
    if good:
        assert parse_settings(text).authorization.token_seconds == seconds
    else:
        with pytest.raises(SettingsError, match="token_seconds"):
            parse_settings(text)


def test_retention_is_days_by_flow() -> None:
    assert parse_settings(TEXT).retention == {}
    text = TEXT.replace("[retention]", '[retention]\n"DA/invoice" = 3660')
    assert parse_settings(text).retention == {"DA/invoice": 3660}
    for wrong in ('"DA" = 1', '"DA/invoice" = 0', '"da/invoice" = 1', '"DA/invoice" = "7 years"'):
        with pytest.raises(SettingsError):
            parse_settings(TEXT.replace("[retention]", f"[retention]\n{wrong}"))
