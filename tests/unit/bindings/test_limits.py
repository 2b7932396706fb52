"""Quotas of partners and the memory that bodies hold."""

from __future__ import annotations

from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intertie.bindings.parcel_https.limits import ADDRESSES_MAX, STRANGER, Addresses, Bucket, Held, Quotas
from intertie.gateway.configuration.settings import Quota
from intertie.model.ids import PartyId

A, B = PartyId("a.example"), PartyId("b.example")


def quotas(**changes: float) -> Quotas:
    settings = {
        "parcels_per_second": 2.0,
        "parcels_burst": 3.0,
        "bytes_per_second": 100.0,
        "bytes_burst": 1000.0,
    }
    return Quotas(Quota(**(settings | changes)))


def test_a_burst_passes_then_the_rate_holds() -> None:
    quota = quotas()
    assert [quota.take_parcel(A, 0.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert quota.take_parcel(A, 0.0) == pytest.approx(0.5)
    assert quota.take_parcel(A, 0.4) == pytest.approx(0.1)
    assert quota.take_parcel(A, 0.5) == 0.0


def test_a_refused_parcel_is_not_counted() -> None:
    quota = quotas()
    for _ in range(3):
        quota.take_parcel(A, 0.0)
    waits = [quota.take_parcel(A, 0.0) for _ in range(10)]
    assert waits == [pytest.approx(0.5)] * 10


def test_partners_do_not_share() -> None:
    quota = quotas()
    for _ in range(4):
        quota.take_parcel(A, 0.0)
    assert quota.take_parcel(A, 0.0) > 0
    assert quota.take_parcel(B, 0.0) == 0.0
    assert quota.take_parcel(STRANGER, 0.0) == 0.0


def test_bytes_beyond_the_burst_delay_the_next_parcel() -> None:
    quota = quotas()
    assert quota.take_parcel(A, 0.0) == 0.0
    quota.take_bytes(A, 1500, 0.0)
    assert quota.take_parcel(A, 0.0) == pytest.approx(
        5.01
    )  # 500 bytes of debt, and one more, at 100 a second
    assert quota.take_parcel(A, 5.02) == 0.0


def test_a_clock_that_steps_back_gives_nothing_away() -> None:
    bucket = Bucket(rate=1.0, burst=5.0, tick=100.0)
    bucket.take(5.0)
    assert bucket.wait(1.0, 50.0) == pytest.approx(1.0)
    assert bucket.wait(1.0, 50.5) == pytest.approx(0.5)


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 20)), max_size=50))
def test_nobody_gets_more_than_burst_and_rate(steps: list[tuple[float, float]]) -> None:
    bucket, tick, taken = Bucket(rate=3.0, burst=7.0, tick=0.0), 0.0, 0.0
    for pause, amount in steps:
        tick += pause
        amount = min(amount, 7.0)
        if not bucket.wait(amount, tick):
            bucket.take(amount)
            taken += amount
    assert taken <= 7.0 + 3.0 * tick + 1e-6


@given(st.floats(0.1, 100), st.floats(0.1, 100))
def test_who_waits_as_told_gets_it(rate: float, amount: float) -> None:
    bucket = Bucket(rate=rate, burst=10.0, tick=0.0)
    bucket.take(10.0)
    wait = bucket.wait(amount, 0.0)
    assert wait > 0
    assert bucket.wait(amount, wait + 1e-6) == pytest.approx(0.0, abs=1e-6)


def test_held_refuses_beyond_its_limit_and_takes_again_after_release() -> None:
    held = Held(100)
    assert held.add(60)
    assert not held.add(41)
    assert held.count == 60
    assert held.add(40)
    held.release(60)
    assert held.add(60)


def test_held_counts_right_from_several_threads() -> None:
    held = Held(10**9)

    def work() -> None:
        for _ in range(2000):
            held.add(3)
            held.release(2)

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert held.count == 4 * 2000


def test_an_address_that_comes_too_often_waits_and_others_do_not() -> None:
    now = [0.0]
    door = Addresses(60.0, 3.0, lambda: now[0])
    assert [door.wait("one") for _ in range(3)] == [0.0] * 3
    assert door.wait("one") == 1.0 == door.wait("one"), "what has to wait is not counted"
    assert door.wait("other") == 0.0
    now[0] = 1.0
    assert door.wait("one") == 0.0 < door.wait("one")


def test_addresses_are_forgotten_before_they_fill_the_memory() -> None:
    door = Addresses(60.0, 1.0, lambda: 0.0)
    assert door.wait("first") == 0.0 < door.wait("first")
    for number in range(ADDRESSES_MAX):
        assert door.wait(str(number)) == 0.0
    assert door.wait("first") == 0.0, "a full allowance again"
