"""Tables of DERs and of interval series: what is read back is what was written, and what is wrong is named by line and column."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intertie.formats.der_csv import NEEDED, OPTIONAL, read_ders
from intertie.formats.series_csv import read_series
from intertie.formats.table_csv import BYTES_MAX, FIELD_MAX
from intertie.model.aggregation import Technology
from intertie.model.errors import SettingsError
from intertie.model.quantity import Unit

START = datetime(2026, 7, 1, 12, tzinfo=UTC)
HEAD = "id,technology,nameplate_kw,feeder,point,meter,premises"
ROW = "D-1,battery,10,F1,F1-T1,M-1,P-1"
SECRET = "ACCOUNT-4711"


def table(*lines: str) -> bytes:
    return "\n".join(lines).encode()


def test_a_der_with_everything() -> None:
    names = [*NEEDED, *OPTIONAL]
    values = {
        "id": "D-1",
        "technology": "battery",
        "nameplate_kw": "10",
        "feeder": "F1",
        "point": "F1-T1",
        "meter": "M-1",
        "premises": "P-1",
        "account": "A-1",
        "consent": "C-1",
        "nameplate_kwh": "27",
        "nameplate_kvar": "6",
        "nameplate_kva": "11.7",
        "max_charge_kw": "10",
        "max_discharge_kw": "9",
        "normal_category": "B",
        "abnormal_category": "III",
        "control_modes": "charge discharge",
        "programme": "ISO-DR",
        "programme_operator": "iso, inc.",
        "programme_kw": "3",
        "programme_from": "2026-06-01T00:00:00Z",
        "programme_until": "2026-10-01T00:00:00+02:00",
    }
    out = io.StringIO()
    writer = csv.DictWriter(out, names)
    writer.writeheader()
    writer.writerow(values)
    (der,) = read_ders(b"\xef\xbb\xbf" + out.getvalue().encode())
    assert der.technology is Technology.BATTERY and der.control_modes == ("charge", "discharge")
    assert (der.nameplate_kva, der.account, der.consent) == (Decimal("11.7"), "A-1", "C-1")
    (other,) = der.other_programmes
    assert (other.programme, other.operator, other.committed_kw) == ("ISO-DR", "iso, inc.", 3)
    assert other.term.end == datetime(2026, 9, 30, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (table("id,feeder"), "has no technology, nameplate_kw"),
        (table(HEAD + ",colour", ROW + ",red"), "1 columns that are not known"),
        (table(HEAD + ",id", ROW + ",D-2"), "a column twice"),
        (table(HEAD), "has 0 DERs"),
        (table(HEAD, ROW + ",more"), "line 2 has 8 fields, the header 7"),
        (table(HEAD, ROW, ROW.replace("battery", SECRET)), "line 3: not one of the values"),
        (table(HEAD, ROW.replace("10", SECRET)), "line 2: Invalid decimal string - at `$.nameplate_kw`"),
        (table(HEAD, ROW.replace(",10,", ",0,")), "line 2: nameplate_kw: must be above zero"),
        (table(HEAD, ROW.replace(",P-1", ",")), "line 2: premises, account: at least one"),
        (table(HEAD, ROW.replace("D-1", "D" * (FIELD_MAX + 1))), "a field of more than"),
        (table(HEAD, '"D-1'), "is not comma-separated"),
        (b"\xff\xfe", "not UTF-8 (byte 0)"),
        (b"x" * (BYTES_MAX + 1), f"more than {BYTES_MAX} bytes"),
    ],
)
def test_what_is_wrong_is_named_and_not_quoted(raw: bytes, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_ders(raw)
    assert said in caught.value.why and SECRET not in str(caught.value)


def test_blank_lines_are_nothing() -> None:
    assert len(read_ders(table(HEAD, "", ROW, ",,,,,,", ROW.replace("D-1", "D-2")))) == 2


VALUES = st.lists(st.one_of(st.none(), st.integers(-(10**9), 10**9)), min_size=2, max_size=30)


@settings(max_examples=60)
@given(VALUES, st.sampled_from([300, 900, 3600]))
def test_series_are_read_to_the_watt(watts: list[int | None], seconds: int) -> None:
    lines = ["start,up_kw,kvar"]
    for place, value in enumerate(watts):
        at = (START + timedelta(seconds=seconds * place)).isoformat()
        lines.append(f"{at},{'' if value is None else Decimal(value) / 1000},{place}")
    read = read_series(table(*lines), {"up_kw": Unit.KW}, {"kvar": Unit.KVAR, "down_kw": Unit.KW})
    assert set(read) == {"up_kw", "kvar"} and read["kvar"].unit is Unit.KVAR
    up = read["up_kw"]
    assert (up.start, up.step_seconds, up.values) == (START, seconds, tuple(watts))


def test_one_line_has_the_step_that_is_said() -> None:
    one = table("start,up_kw", "2026-07-01T14:00:00+02:00,5")
    read = read_series(one, {"up_kw": Unit.KW}, {}, timedelta(minutes=15))["up_kw"]
    assert (read.start, read.step_seconds, read.values) == (START, 900, (5000,))
    with pytest.raises(SettingsError, match="no interval whose length is known"):
        read_series(one, {"up_kw": Unit.KW}, {})


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (("2026-07-01T12:00:00Z,1", "2026-07-01T12:15:00Z,1", "2026-07-01T12:45:00Z,1"), "interval 3"),
        (("2026-07-01T12:00:00Z,1", "2026-07-01T12:07:00Z,1"), "step_seconds"),
        (("2026-07-01T12:00:00Z,1", "2026-07-01T12:00:00Z,1"), "step_seconds"),
        (("2026-07-01T12:00:00,1", "2026-07-01T12:15:00,1"), "$.start"),
        ((",1", ",2"), "$.start"),
        (("2026-07-01T12:00:00Z,0.0001", "2026-07-01T12:15:00Z,1"), "finer than a watt"),
        (("2026-07-01T12:00:00Z,NaN", "2026-07-01T12:15:00Z,1"), "line 2"),
        ((), "at least two lines"),
    ],
)
def test_lines_that_do_not_follow_each_other(lines: tuple[str, ...], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_series(table("start,up_kw", *lines), {"up_kw": Unit.KW}, {})
    assert said in str(caught.value)
