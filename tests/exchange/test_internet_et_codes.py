"""The door of Internet ET: each thing that can be wrong with a package is said by its own code, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pysequoia
import pytest
from msgspec.structs import replace
from tests.exchange.et_world import FILE, KEYS, OTHER, STRANGER, Two, form, package, told
from tests.exchange.house import AGGREGATOR, UTILITY

from intertie.formats.internet_et.codes import TEXTS, Code, stops
from intertie.formats.internet_et.form import write_form
from intertie.formats.internet_et.package import write_inside
from intertie.formats.internet_et.terms import Quirk
from intertie.model.errors import SettingsError, StoreError

# Makes what is posted; the world may be changed before.
Making = Callable[[Two], tuple[bytes, dict[str, str]]]


def fields(**changed: str | None) -> Making:
    return lambda _: form(**changed)


def message(make: Callable[[], bytes]) -> Making:
    return lambda _: form(make())


def agreed_set(value: str | None) -> Making:
    def make(two: Two) -> tuple[bytes, dict[str, str]]:
        two.change(AGGREGATOR, transaction_sets=("RXQ36102",))
        return form(transaction_set=value)

    return make


def no_refnums(**changed: str | None) -> Making:
    def make(two: Two) -> tuple[bytes, dict[str, str]]:
        two.change(AGGREGATOR, refnums=False)
        return form(**changed)

    return make


def assumed(two: Two) -> tuple[bytes, dict[str, str]]:
    two.change(AGGREGATOR, quirks=frozenset({Quirk.NO_SECURITY_SELECTION}))
    return form(receipt_security_selection=None)


def suspended(two: Two) -> tuple[bytes, dict[str, str]]:
    partners = two.gateways[AGGREGATOR].partners
    found = partners.find(UTILITY)
    assert found is not None
    partners.partners[UTILITY] = found._replace(suspended=True)  # type: ignore[attr-defined]
    return form()


def ended(two: Two) -> tuple[bytes, dict[str, str]]:
    partners = two.gateways[AGGREGATOR].partners
    found = partners.find(UTILITY)
    assert found is not None and found.foreign is not None
    foreign = replace(found.foreign, legacy_until=date(2025, 12, 31))
    partners.partners[UTILITY] = found._replace(foreign=foreign)  # type: ignore[attr-defined]
    return form()


def locked(two: Two) -> tuple[bytes, dict[str, str]]:
    keys = two.et[AGGREGATOR]._keys
    real, keys.all = keys.all, lambda: (_ for _ in ()).throw(SettingsError("gone"))  # type: ignore[method-assign]
    assert real
    return form()


def used_before(two: Two) -> tuple[bytes, dict[str, str]]:
    assert told(two.post(*form())).status == "ok"
    return form(package(OTHER))


def without_file(_: Two) -> tuple[bytes, dict[str, str]]:
    body, headers = form()
    lines = body.split(b"\r\n--" + b"--boundary1--200309090001")
    return b"\r\n----boundary1--200309090001".join(one for one in lines if b"input-data" not in one), headers


def nothing(_: Two) -> tuple[bytes, dict[str, str]]:
    boundary = "--b"
    body = write_form({}, "x", "text/plain", b"", boundary)
    return body, {"content-type": f"multipart/form-data; boundary={boundary}"}


def half(raw: bytes) -> bytes:
    return raw[: len(raw) // 2]


def changed(raw: bytes) -> bytes:
    lines = raw.split(b"\n")
    middle = lines[len(lines) // 2]
    lines[len(lines) // 2] = middle[:-4] + (b"AAAA" if middle[-4:] != b"AAAA" else b"BBBB")
    return b"\n".join(lines)


def signed_only() -> bytes:
    return pysequoia.sign(pysequoia.Tsk.from_bytes(KEYS[UTILITY].raw).signer(), FILE)


def not_signed() -> bytes:
    there = pysequoia.Cert.from_bytes(KEYS[AGGREGATOR].public.encode())
    return pysequoia.encrypt(write_inside(FILE, "application/EDI-X12"), recipients=[there])


CASES: dict[Code, Making] = {
    Code.NO_FROM: fields(from_=None),
    Code.NO_TO: fields(to=None),
    Code.NO_FORMAT: fields(input_format=None),
    Code.NO_FILE: without_file,
    Code.NO_SET: agreed_set(None),
    Code.BAD_FROM: fields(from_="12345", receipt_disposition_to="12345"),
    Code.BAD_TO: fields(to="987654321"),
    Code.BAD_FORMAT: fields(input_format="PDF"),
    Code.BAD_SET: agreed_set("810"),
    Code.NOTHING: nothing,
    Code.BAD_VERSION: fields(version="one"),
    Code.NO_VERSION: fields(version=None),
    Code.BAD_SECURITY: fields(receipt_security_selection="none"),
    Code.NO_DISPOSITION: fields(receipt_disposition_to=None),
    Code.BAD_DISPOSITION: fields(receipt_disposition_to="987654321"),
    Code.NO_REPORT: fields(receipt_report_type=None),
    Code.BAD_REPORT: fields(receipt_report_type="other"),
    Code.NO_SECURITY: fields(receipt_security_selection=None),
    Code.NO_REFNUM: fields(refnum=None),
    Code.NO_REFNUM_ORIG: fields(refnum_orig=None),
    Code.DUPLICATE_REFNUM: used_before,
    Code.BAD_KEY: message(lambda: package(to=STRANGER)),
    Code.NOT_ENCRYPTED: message(lambda: b"ISA*00*"),
    Code.TRUNCATED: message(lambda: half(package())),
    Code.NOT_SIGNED: message(lambda: package(by=STRANGER)),
    Code.DECRYPTION: message(lambda: changed(package())),
    Code.NOT_PARTNERS: fields(from_="999999999", receipt_disposition_to="999999999"),
    Code.UNKNOWN_FILE: message(lambda: package(b"not an interchange")),
    Code.NOT_ESTABLISHED: fields(input_format="FF"),
    Code.SYSTEM: locked,
    Code.SET_NOT_AGREED: fields(transaction_set="RXQ36102"),
    Code.SECURITY_ASSUMED: assumed,
    Code.REFNUM_IGNORED: no_refnums(),
    Code.REFNUM_ORIG_IGNORED: no_refnums(refnum=None),
}


def test_there_is_a_case_for_every_code() -> None:
    assert set(CASES) == set(Code)


@pytest.mark.parametrize("code", Code)
def test_each_code_is_said_in_a_signed_receipt(code: Code) -> None:
    two = Two()
    posted = CASES[code](two)
    before = len(two.inbox(AGGREGATOR))
    said = told(two.post(*posted))
    assert said.status.startswith(f"{code}: {TEXTS[code]}")
    assert said.good is not stops(code)
    assert len(two.inbox(AGGREGATOR)) == before + (0 if stops(code) else 1)


@pytest.mark.parametrize("make", [suspended, ended])
def test_who_may_not_any_more_is_told_so(make: Making) -> None:
    two = Two()
    assert told(two.post(*make(two))).status.startswith("EEDM703")
    assert two.inbox(AGGREGATOR) == []


@pytest.mark.parametrize("make", [signed_only, not_signed])
def test_both_signed_and_encrypted_or_not_at_all(make: Callable[[], bytes]) -> None:
    two = Two()
    code = Code.NOT_ENCRYPTED if make is signed_only else Code.NOT_SIGNED
    assert told(two.post(*form(make()))).status.startswith(code)
    assert two.inbox(AGGREGATOR) == []


def test_elements_are_read_by_name_in_any_order() -> None:
    two = Two()
    assert told(two.post(*form(last=True))).status == "ok"
    assert len(two.inbox(AGGREGATOR)) == 1


def test_a_request_that_was_cut_off_has_no_receipt() -> None:
    two = Two()
    body, headers = form()
    for cut in (20, len(body) // 2, len(body) - 10):
        assert two.post(body[:-cut], headers).status_code == 400
    assert two.post(body, {"content-type": "application/json"}).status_code == 400
    twice = body.replace(b'name="refnum-orig"', b'name="refnum"')
    assert two.post(twice, headers).status_code == 400
    assert two.inbox(AGGREGATOR) == []


def test_what_is_too_long_is_not_read() -> None:
    two = Two()
    two.doors[AGGREGATOR] = two.door(AGGREGATOR, body_bytes=2000)
    assert two.post(*form()).status_code == 413
    two.doors[AGGREGATOR] = two.door(AGGREGATOR)
    two.et[AGGREGATOR]._file_bytes = 100
    assert told(two.post(*form())).status.startswith("EEDM699")


def test_a_store_that_is_away_gives_no_receipt_and_the_same_again_does() -> None:
    two = Two()
    store = two.gateways[AGGREGATOR].store
    real = store.accept

    def away(*_: object) -> bytes:
        raise StoreError("away")

    store.accept = away  # type: ignore[method-assign, assignment]
    assert two.post(*form()).status_code == 503
    store.accept = real  # type: ignore[method-assign]
    assert told(two.post(*form())).status == "ok" and len(two.inbox(AGGREGATOR)) == 1


def test_an_address_that_asks_too_often_waits() -> None:
    two = Two()
    body, headers = form(from_=None)
    answers = {two.post(body, headers).status_code for _ in range(51)}
    assert answers == {200, 429}


def test_what_a_stranger_writes_is_not_echoed_into_a_receipt() -> None:
    two = Two()
    evil = "ok*request-status=ok*\r\nserver-id=x"
    answer = two.post(*form(package(b"ISA*request-status=ok*\n*trans-id=1*")))
    said = told(answer)
    assert said.status.startswith("EEDM702") and answer.content.count(b"request-status=") == 2
    assert told(two.post(*form(version=evil))).status.startswith("EEDM110")


def test_trans_ids_go_up_and_the_time_is_that_of_the_last_byte() -> None:
    two = Two()
    first = told(two.post(*form(from_=None)))
    second = told(two.post(*form()))
    assert int(first.trans) < int(second.trans) < 10**15
    assert (first.time_c, second.time_c) == ("20260115120001", "20260115120002")
    assert second.server == AGGREGATOR


def test_only_posts_are_taken_and_any_query_is() -> None:
    two = Two()
    body, headers = form()
    assert told(two.post(body, headers | {"connection": "close"}, "/?package=naesb")).status == "ok"
    assert told(two.post(body, headers, "?package=naesb")).status == "ok"
    assert two.post(body, headers, "/elsewhere").status_code == 404
