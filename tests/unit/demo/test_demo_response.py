"""What DERs do when called: within their power and energy, and nothing is got for nothing."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from intertie.demo.feeder import Element
from intertie.demo.response import Call, respond

BATTERY = Element("battery", "storage", "n1", 4000, 8000)
PUMP = Element("pump", "heat_pump", "n2", 5000, None)
CHARGER = Element("charger", "charger", "n3", 11000, None)
SUN = Element("sun", "pv", "n4", 9000, None)
ALL = [BATTERY, PUMP, CHARGER, SUN]
SIZE = 3 * 96
CALL = Call(76, 80, 20_000)  # one hour


def power(pump: int = 5000, charger: int = 0) -> dict[str, np.ndarray]:
    return {
        "pump": np.full(SIZE, pump, np.int64),
        "charger": np.full(SIZE, charger, np.int64),
        "sun": np.zeros(SIZE, np.int64),
    }


def test_by_hand() -> None:
    moved = respond(CALL, ALL, power(charger=7000))
    window = slice(CALL.first, CALL.last)
    # The charger waits with all its 7000 W, the battery gives its 4000 W (7.2 kWh would last longer than an hour), the
    # heat pump spares 60 % of 5000 W; 14,000 W in all, less than the 20,000 asked.
    assert set(moved["charger"][window]) == {-7000}
    assert set(moved["battery"][window]) == {-4000}
    assert set(moved["pump"][window]) == {-3000}


def test_not_more_than_asked() -> None:
    moved = respond(Call(76, 80, 5000), ALL, power(charger=3000))
    total = sum(row[76:80] for row in moved.values())
    # 3000 from the charger, 2000 from the battery, nothing from the heat pump.
    assert set(total) == {-5000}
    assert not moved["pump"].any()


def test_a_battery_lasts_the_whole_event() -> None:
    moved = respond(Call(76, 88, 20_000), [BATTERY], power())
    # 90 % of 8 kWh over three hours: 2400 W.
    assert set(moved["battery"][76:88]) == {-2400}


def test_the_battery_is_charged_at_night_with_losses() -> None:
    moved = respond(CALL, [BATTERY], power())["battery"]
    assert not moved[80:96].any()
    charged = int(moved[96:116].sum())
    # 4 quarter-hours x 4000 W / 0.95 = 16,842 watt quarter-hours, spread over 20 in whole watts.
    assert charged == 842 * 20
    assert not moved[116:].any()


def test_the_heat_pump_makes_up_most_of_it_in_three_hours() -> None:
    moved = respond(CALL, [PUMP], power())["pump"]
    # 4 x 3000 W x 0.8 = 9600 over 12 quarter-hours.
    assert set(moved[80:92]) == {800}
    assert not moved[92:].any()


def test_the_car_gets_all_its_energy_within_its_socket() -> None:
    moved = respond(CALL, [CHARGER], power(charger=7000))["charger"]
    assert moved.sum() == 0
    # 4 x 7000 W missing, 4000 W free in each quarter-hour: seven of them.
    assert set(moved[80:87]) == {4000}
    assert not moved[87:].any()


def test_out_of_service_does_nothing() -> None:
    moved = respond(CALL, ALL, power(charger=7000), frozenset({"battery", "charger"}))
    assert set(moved) == {"pump"}


def test_at_the_end_of_the_season_nothing_is_made_up_beyond_it() -> None:
    moved = respond(Call(SIZE - 4, SIZE, 20_000), ALL, power(charger=7000))
    assert all(row.size == SIZE for row in moved.values())


@given(
    st.integers(0, 90),
    st.integers(1, 20),
    st.integers(0, 60_000),
    st.integers(0, 5000),
    st.integers(0, 11_000),
)
def test_limits_always_hold(first: int, length: int, watts: int, pump: int, charger: int) -> None:
    call = Call(first, first + length, watts)
    moved = respond(call, ALL, power(pump, charger))
    given_up = -sum(row[call.first : call.last] for row in moved.values())
    assert (given_up <= watts).all()
    assert (given_up >= 0).all()
    assert abs(moved["battery"]).max() <= 4000
    assert -moved["battery"][call.first : call.last].sum() <= 7200 * 4
    assert (moved["charger"] + charger <= 11_000).all()
    assert (moved["charger"] + charger >= 0).all()
    assert (moved["pump"] + pump >= 0).all()
