"""The small parts of Internet ET: our keys by number, what is kept, clocks, receipts that come, mails, terms and settings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.exchange.et_world import KEYS, STRANGER, foreign_of
from tests.exchange.house import AGGREGATOR, UTILITY

from intertie.bindings.internet_et.failures import FailureMail, mail_of
from intertie.bindings.internet_et.kept import (
    KeptAnswers,
    KeptMessage,
    KeptReceipt,
    KeptSigned,
    Names,
    keep_answers,
    keep_message,
    keep_receipt,
    keep_signed,
    read_kept,
)
from intertie.bindings.internet_et.keys import OwnKeys
from intertie.bindings.internet_et.replies import CLOCK_SECONDS, Told, clocks_apart, read_told, receipted
from intertie.bindings.internet_et.translator import content_of
from intertie.formats.as2.flaws import As2Error
from intertie.formats.internet_et.fields import Agreed
from intertie.formats.internet_et.receipt import Receipt
from intertie.formats.internet_et.terms import InternetEtTerms, Quirk
from intertie.formats.upload_terms import UploadTerms
from intertie.gateway.configuration.internet_et_settings import InternetEtDoor
from intertie.gateway.configuration.settings import parse_settings
from intertie.gateway.configuration.settings_template import TEMPLATE
from intertie.gateway.sending.escalate import MailError
from intertie.gateway.translating.files import FileError
from intertie.gateway.translating.foreign import Foreign, Level
from intertie.model.errors import PartnerError, SettingsError
from intertie.model.ids import PartyId

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
NAMES = Names("006982359", "123456789", "1")
PUBLIC = KEYS[UTILITY].public


# Our keys


def test_keys_are_read_once_and_the_newest_is_first() -> None:
    asked = []

    def read(number: int) -> Any:
        asked.append(number)
        return {1: STRANGER, 2: KEYS[UTILITY], 3: KEYS[AGGREGATOR]}[number]

    keys = OwnKeys(3, read)
    assert keys.signing() is KEYS[AGGREGATOR] and keys.signing(1) is STRANGER
    assert keys.all() == (KEYS[AGGREGATOR], KEYS[UTILITY], STRANGER)
    assert keys.all() and sorted(asked) == [1, 2, 3]


def test_a_vault_that_is_locked_is_asked_again() -> None:
    locked = [True]

    def read(_: int) -> Any:
        if locked:
            raise SettingsError("locked")
        return STRANGER

    keys = OwnKeys(1, read)
    with pytest.raises(SettingsError):
        keys.signing()
    locked.clear()
    assert keys.signing() is STRANGER


# What is kept

SIGNED = KeptSigned(NAMES, "X12", b"content-type: a/b\r\n\r\nISA*", b"-----SIGNATURE-----")
RECEIPT = KeptReceipt(NAMES, 'multipart/signed; boundary="x"', b"--x\r\n\r\n--x--\r\n")


def test_each_kind_is_read_as_it_was_kept() -> None:
    message = KeptMessage(SIGNED, b"-----BEGIN PGP MESSAGE-----\r\n")
    assert read_kept(keep_signed(SIGNED)) == SIGNED
    assert read_kept(keep_message(message)) == message
    assert read_kept(keep_receipt(RECEIPT)) == RECEIPT
    assert keep_answers(keep_receipt(RECEIPT), []) == keep_receipt(RECEIPT)
    both = keep_answers(keep_receipt(RECEIPT), [keep_message(message)] * 2)
    assert read_kept(both) == KeptAnswers(RECEIPT, (message, message))
    assert content_of(keep_message(message)) == b"ISA*"


def test_the_file_of_a_message_of_ours_is_of_a_message_of_ours() -> None:
    with pytest.raises(FileError):
        content_of(keep_receipt(RECEIPT))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"hello",
        b"Content-Type: text/plain\r\n\r\nhello",
        b"X-ET-From: 1\r\nX-ET-To: 2\r\n\r\n",
        keep_answers(keep_signed(SIGNED), [keep_receipt(RECEIPT)]),
        keep_answers(keep_receipt(RECEIPT), [keep_receipt(RECEIPT)]),
        keep_signed(SIGNED).replace(b"-----SIGNATURE-----\r\n", b"x\r\n--"),
    ],
)
def test_what_was_not_kept_here_is_none(raw: bytes) -> None:
    with pytest.raises(As2Error):
        read_kept(raw)


@given(st.binary(max_size=100), st.binary(max_size=100))
def test_any_content_and_message_come_back(content: bytes, message: bytes) -> None:
    kept = KeptMessage(SIGNED._replace(content=content), message)
    assert read_kept(keep_message(kept)) == kept


# Receipts and clocks


def told_at(seconds: float) -> Told:
    return Told(Receipt("20260115120000", "ok", "s", "1"), NOW + timedelta(seconds=seconds), b"")


@pytest.mark.parametrize(
    ("seconds", "apart"),
    [(0, 0), (-5, 0), (-6, 0), (-7, -7), (12, 0), (15, 0), (16, 6), (3600, 3590), (-18000, -18000)],
)
def test_a_clock_is_wrong_beyond_five_seconds_of_the_request(seconds: float, apart: float) -> None:
    assert CLOCK_SECONDS == 5
    assert clocks_apart(told_at(seconds), NOW, NOW + timedelta(seconds=10)) == apart


def terms_of(*quirks: Quirk, **more: Any) -> InternetEtTerms:
    said: dict[str, Any] = {"code": "123456789", "url": "https://p.example/", "keys": (PUBLIC,)}
    return InternetEtTerms(**(said | {"quirks": frozenset(quirks)} | more))


def test_a_time_is_read_in_the_partner_s_zone_or_not_at_all() -> None:
    text = b"time-c=20260715120000*request-status=ok*server-id=p*trans-id=1*"
    told = read_told(
        "text/plain", text, NAMES, terms_of(Quirk.UNSIGNED_RECEIPT, zone="America/Chicago"), "1", NOW
    )
    assert told.received.astimezone(UTC) == datetime(2026, 7, 15, 17, tzinfo=UTC)
    kept = read_kept(told.kept)
    assert isinstance(kept, KeptReceipt) and kept.names == Names("123456789", "1", "1") and kept.body == text
    for bad in (b"20261315120000", b"20260715250000"):
        with pytest.raises(PartnerError, match="time"):
            read_told(
                "", text.replace(b"20260715120000", bad), NAMES, terms_of(Quirk.UNSIGNED_RECEIPT), "1", NOW
            )


def test_without_the_quirk_an_unsigned_receipt_is_none() -> None:
    text = b"time-c=20260715120000*request-status=ok*server-id=p*trans-id=1*"
    with pytest.raises(PartnerError, match="not signed"):
        read_told("text/plain", text, NAMES, terms_of(), "1", NOW)


def test_a_receipt_is_named_by_its_three_elements() -> None:
    one = receipted(Receipt("20260115120000", "ok", "s", "1"))
    assert one == receipted(Receipt("20260115120000", "WEDM100: x", "s", "1"))
    assert one != receipted(Receipt("20260115120000", "ok", "s", "2"))


# Mails


class Post:
    """Notes mails, or does not take them."""

    def __init__(self, *, fails: bool = False) -> None:
        self.fails, self.sent = fails, list[tuple[str, str]]()

    def send(self, subject: str, text: str) -> None:
        if self.fails:
            raise MailError("not taken")
        self.sent.append((subject, text))


def test_people_are_told_whom_to_call() -> None:
    post = Post()
    FailureMail(post, PartyId("us"))(PartyId("them"), "+1 555 0100", "M-1", "HTTP 500")
    ((subject, text),) = post.sent
    assert "them" in subject and all(word in text for word in ("+1 555 0100", "M-1", "HTTP 500", "us"))
    assert "names none" in mail_of(PartyId("us"), PartyId("them"), "", "M-1", "x")[1]


def test_a_mail_that_fails_or_has_no_address_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    FailureMail(None, PartyId("us"))(PartyId("them"), "", "M-1", "x")
    assert not caplog.records
    FailureMail(Post(fails=True), PartyId("us"))(PartyId("them"), "", "M-1", "x")
    assert "mail" in caplog.text


# Terms and settings


def test_what_is_agreed_follows_from_the_terms() -> None:
    assert terms_of().agreed == Agreed()
    said = terms_of(Quirk.NO_SECURITY_SELECTION, refnums=True, transaction_sets=("RXQ36102",))
    assert said.agreed == Agreed(True, frozenset({"RXQ36102"}), True)
    assert terms_of(Quirk.SHA1).sha1 and not terms_of().sha1


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"code": "12345678"}, "code"),
        ({"url": "http://p.example/"}, "url"),
        ({"keys": []}, "keys"),
        ({"keys": ["hello"]}, "keys"),
        ({"user": "us"}, "user"),
        ({"user": "a:b", "password_file": "x"}, "user"),
        ({"their_user": "p"}, "their_user"),
        ({"their_secrets": ["sha256:" + "0" * 64]}, "their_user"),
        ({"their_user": "p", "their_secrets": ["plain"]}, "their_secrets"),
        ({"version": "one"}, "version"),
        ({"transaction_sets": ["810"]}, "transaction_sets"),
        ({"zone": "Mars"}, "zone"),
        ({"zone": "../../etc/passwd"}, "zone"),
        ({"quirks": ["md5"]}, "quirks"),
        ({"our_key": 0}, "our_key"),
        ({"nothing": 1}, "nothing"),
    ],
)
def test_terms_that_cannot_be_are_refused(wrong: dict[str, Any], word: str) -> None:
    good = {"code": "123456789", "url": "https://p.example/", "keys": [PUBLIC]}
    assert msgspec.convert(good, InternetEtTerms).version == "1.6"
    with pytest.raises(msgspec.ValidationError, match=word):
        msgspec.convert(good | wrong, InternetEtTerms)


def test_a_partner_has_one_carrier_and_its_receipt_closes() -> None:
    foreign = foreign_of(UTILITY)
    assert (foreign.binding, foreign.closing, foreign.url) == (
        "internet_et",
        Level.RECEIPT,
        foreign.internet_et.url,
    )
    with pytest.raises(SettingsError, match="does not speak AS2"):
        assert foreign.as2
    said = msgspec.to_builtins(foreign)
    with pytest.raises(msgspec.ValidationError, match="x12"):
        msgspec.convert({name: value for name, value in said.items() if name != "x12"}, Foreign)
    upload = UploadTerms(user="p", secrets=("sha256:" + "0" * 64,))
    other = msgspec.structs.replace(foreign, internet_et_terms=None, upload_terms=upload)
    with pytest.raises(SettingsError, match="does not speak Internet ET"):
        assert other.internet_et


SETTINGS = """
[party]
id = "us.example"
name = "Us"
roles = ["der_aggregator"]
[street]
url = ""
listen = ""
[internet_et]
"""


@pytest.mark.parametrize(
    ("lines", "word"),
    [
        ('listen = "127.0.0.1:1"', "needs our code"),
        ('code = "123456789"\nlisten = "0.0.0.0:1"', "certificate"),
        ('code = "123456789"\ncertificate = "a.pem"', "goes with key"),
        ('code = "12345"', "code"),
        ("retry_minutes = 14.9", "retry_minutes"),
        ("retry_minutes = 61.0", "retry_minutes"),
        ('server = "a b"', "server"),
        ('server = "a*"', "server"),
        ("key_number = 0", "key_number"),
    ],
)
def test_settings_that_cannot_be_are_refused(lines: str, word: str) -> None:
    with pytest.raises(SettingsError, match=word):
        parse_settings(SETTINGS + lines)


def test_the_template_shows_every_setting_with_its_default() -> None:
    section = TEMPLATE.partition("[internet_et]\n")[2].partition("\n\n")[0]
    default = InternetEtDoor()
    shown = {}
    for line in section.splitlines():
        name, _, value = line.removeprefix("# ").partition(" = ")
        shown[name] = value.partition("#")[0].strip()
    assert set(shown) == set(InternetEtDoor.__struct_fields__)
    for name, text in shown.items():
        assert msgspec.toml.decode(f"v = {text}")["v"] == getattr(default, name), name


def test_three_attempts_take_half_an_hour_to_two_hours() -> None:
    for minutes in (15.0, 60.0):
        settings = parse_settings(SETTINGS + f"retry_minutes = {minutes}").internet_et
        assert 30 <= 2 * settings.retry_minutes <= 120
