"""An outage notice that nobody acknowledges: journaled once, counted, and told by mail to a server that is not ours."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from house import AGGREGATOR, AGREEMENT, NOW, UTILITY, Pair, Wire, make_pair
from https_world import House, ca_text, make_ca, make_house

from intertie.bindings.mail_smtp.client import SmtpMailer
from intertie.bindings.mail_smtp.escalations import Escalations
from intertie.exchange.outbound import State
from intertie.gateway.configuration.settings import Escalation as MailSettings
from intertie.gateway.gateway import Gateway, LinkAnswer
from intertie.gateway.proving.verify_journal import verify_journal
from intertie.gateway.sending.cancel import cancel
from intertie.gateway.sending.deliver import deliver_once
from intertie.gateway.sending.escalate import NEWS, Escalation, MailError, escalate, tell_next
from intertie.gateway.sending.send_message import Outgoing, send
from intertie.journal.entry import read_entry
from intertie.model.documents import example
from intertie.model.errors import PartnerError, SettingsError
from intertie.model.ids import DocumentName, InterfaceCode, MessageId
from intertie.model.message import Mode

LATE = NOW + timedelta(seconds=10)
FROM, TO = "intertie@utility.example", ("operator@utility.example", "night@utility.example")
SECRET = "correct horse"


def send_it(gateway: Gateway, document: str = "outage_notice", mode: Mode = Mode.REAL_TIME) -> MessageId:
    outgoing = Outgoing(
        body=example(DocumentName(document))[1],
        recipient=AGGREGATOR,
        interface=InterfaceCode("DA"),
        mode=mode,
        agreement=AGREEMENT,
    )
    return send(gateway, [outgoing], NOW)[0]


def deliver(pair: Pair, answers: Sequence[LinkAnswer | PartnerError] = (), now: datetime = NOW) -> None:
    wire = Wire(pair.aggregator, UTILITY, answers=list(answers), now=now)
    asyncio.run(deliver_once(pair.utility, wire, AGGREGATOR, lambda: now, lambda: 0.5))


def journaled(gateway: Gateway) -> list[str | None]:
    entries = [read_entry(raw) for _, raw, _ in gateway.store.entries()]
    return [entry.message for entry in entries if entry.note == "escalated"]


def test_what_is_acknowledged_in_time_does_not_escalate() -> None:
    pair = make_pair()
    send_it(pair.utility)
    deliver(pair)
    assert escalate(pair.utility, LATE) == [] and journaled(pair.utility) == []


def test_silence_escalates_after_the_latency_of_the_flow_once_and_is_counted() -> None:
    pair = make_pair()
    notice = send_it(pair.utility)
    send_it(pair.utility, "invoice", Mode.SCHEDULED)
    deliver(pair, [PartnerError("down")])
    counted: Counter[tuple[str, str]] = Counter()

    def count(escalation: Escalation) -> None:
        counted[escalation.partner, escalation.flow] += 1

    assert escalate(pair.utility, LATE - timedelta(seconds=1), count) == []
    found = [escalate(pair.utility, LATE + timedelta(seconds=n), count) for n in range(5)]
    assert found[0] == [Escalation(notice, AGGREGATOR, "DA/outage_notice/real_time", State.SENDING, "", 10)]
    assert found[1:] == [[]] * 4 and journaled(pair.utility) == [notice]
    assert counted == {(AGGREGATOR, "DA/outage_notice/real_time"): 1}
    verify_journal(pair.utility.store)
    deliver(pair, now=NOW + timedelta(minutes=9))
    row = pair.utility.store.message(notice)
    assert row is not None and row.state is State.ACCEPTED, "it goes on being sent"


def test_a_scheduled_notice_has_the_time_of_its_own_flow() -> None:
    pair = make_pair()
    send_it(pair.utility, mode=Mode.SCHEDULED)
    assert escalate(pair.utility, LATE) == []
    assert len(escalate(pair.utility, NOW + timedelta(minutes=15))) == 1


def test_a_refused_dispatch_escalates_and_says_so() -> None:
    pair = make_pair()
    message = send_it(pair.utility, "dispatch_instruction")
    deliver(pair, [LinkAnswer(422, b'{"code":"cannot_open","retry":false}', None)])
    (found,) = escalate(pair.utility, LATE)
    assert (found.message, found.state, found.why) == (message, State.REFUSED, "refused")


def test_what_was_taken_back_does_not_escalate() -> None:
    pair = make_pair()
    cancel(pair.utility, send_it(pair.utility), NOW)
    assert escalate(pair.utility, LATE) == []


# Mail


class Postbox:
    """Handler of a mail server, which keeps what it takes."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.refuse = ""

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.refuse:
            return self.refuse
        mail = message_from_bytes(envelope.content, policy=default)
        mail["X-Envelope"] = f"{envelope.mail_from} {' '.join(envelope.rcpt_tos)} {bool(session.ssl)}"
        self.mails.append(mail)
        return "250 taken"


@contextmanager
def mail_server(box: Postbox, **options: Any) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    controller = Controller(box, hostname="127.0.0.1", port=port, **options)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


def mailer(port: int, folder: Path = Path(), **settings: Any) -> SmtpMailer:
    given = {"starttls": False, "seconds": 5.0} | settings
    made = MailSettings(host="127.0.0.1", port=port, sender=FROM, to=TO, **given)
    return SmtpMailer(made, folder, lambda: NOW)


def late_notice() -> tuple[Gateway, MessageId]:
    pair = make_pair()
    message = send_it(pair.utility)
    deliver(pair, [PartnerError("down")])
    escalate(pair.utility, LATE)
    return pair.utility, message


def tell_all(gateway: Gateway, to: SmtpMailer, now: datetime = LATE) -> int:
    return sum(1 for _ in iter(lambda: tell_next(gateway, to, lambda: now), None))


def test_a_mail_says_what_is_late_and_nothing_of_what_it_says() -> None:
    gateway, message = late_notice()
    row = gateway.store.message(message)
    assert row is not None
    box = Postbox()
    with mail_server(box) as port:
        assert tell_all(gateway, mailer(port)) == 1
    (mail,) = box.mails
    text = mail.get_content()
    assert isinstance(text, str)
    assert all(word in text for word in (message, AGGREGATOR, "DA/outage_notice/real_time", "10 seconds"))
    assert mail["Subject"] == f"[intertie] DA/outage_notice/real_time to {AGGREGATOR} is not acknowledged"
    assert (mail["From"], mail["To"], mail["Auto-Submitted"]) == (FROM, ", ".join(TO), "auto-generated")
    assert mail["X-Envelope"] == f"{FROM} {' '.join(TO)} False"
    whole = mail.as_string()
    body = row.body.decode()
    for secret in ("OUT-", "FEEDER", AGREEMENT, body[body.index('"body"') : body.index('"body"') + 30]):
        assert secret not in whole


def test_one_mail_for_each_message_whatever_happens_after() -> None:
    gateway, _ = late_notice()
    box = Postbox()
    with mail_server(box) as port:
        for minutes in range(5):
            now = LATE + timedelta(minutes=minutes)
            escalate(gateway, now)
            tell_all(gateway, mailer(port), now)
    assert len(box.mails) == 1


def test_a_server_that_refuses_is_asked_again() -> None:
    gateway, _ = late_notice()
    box = Postbox()
    box.refuse = "451 later, my account 12345"
    with mail_server(box) as port:
        with pytest.raises(MailError, match=r"SMTPDataError 451") as caught:
            tell_all(gateway, mailer(port))
        assert "12345" not in str(caught.value), "what a server says is not logged"
        box.refuse = ""
        assert tell_all(gateway, mailer(port)) == 1 and tell_all(gateway, mailer(port)) == 0
    assert len(box.mails) == 1


def test_a_crash_after_the_mail_sends_it_again_and_journals_nothing_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gateway, message = late_notice()
    box = Postbox()

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with mail_server(box) as port:
        with monkeypatch.context() as patched:
            patched.setattr(gateway.store, "set_told", crash)
            with pytest.raises(KeyboardInterrupt):
                tell_all(gateway, mailer(port))
        assert escalate(gateway, LATE) == []
        assert tell_all(gateway, mailer(port)) == 1
    assert len(box.mails) == 2 and journaled(gateway) == [message]


def test_nobody_at_the_server() -> None:
    gateway, _ = late_notice()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    with pytest.raises(MailError, match="did not take a mail"):
        tell_all(gateway, mailer(port))


def test_a_silent_server_is_not_waited_for_long() -> None:
    gateway, _ = late_notice()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = int(silent.getsockname()[1])
        with pytest.raises(MailError, match="SMTPServerDisconnected"):
            tell_all(gateway, mailer(port, seconds=0.3))


def test_old_escalations_are_no_news() -> None:
    gateway, _ = late_notice()
    box = Postbox()
    with mail_server(box) as port:
        assert tell_all(gateway, mailer(port), LATE + NEWS + timedelta(seconds=1)) == 0
    assert box.mails == []


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    return make_house(tmp_path_factory.mktemp("mail"), make_ca(), UTILITY)


def server_context(house: House) -> ssl.SSLContext:
    context = house.plain_context(server=True)
    context.verify_mode = ssl.CERT_NONE
    return context


def authenticator(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    right = (data.login, data.password) == (b"intertie", SECRET.encode())
    return AuthResult(success=right, handled=False)


def test_over_tls_with_a_password(house: House, tmp_path: Path) -> None:
    gateway, _ = late_notice()
    (tmp_path / "ca.pem").write_text(ca_text(house))
    password = tmp_path / "password.txt"
    password.write_text(f"{SECRET}\n")
    password.chmod(0o600)
    box = Postbox()
    given = {"starttls": True, "ca_file": "ca.pem", "user": "intertie", "password_file": "password.txt"}
    options = {"require_starttls": True, "auth_required": True, "authenticator": authenticator}
    with mail_server(box, tls_context=server_context(house), **options) as port:
        assert tell_all(gateway, mailer(port, tmp_path, **given)) == 1
        password.write_text("wrong\n")
        gateway, _ = late_notice()
        with pytest.raises(MailError, match="SMTPAuthenticationError") as caught:
            tell_all(gateway, mailer(port, tmp_path, **given))
        assert "wrong" not in str(caught.value)
        password.chmod(0o644)
        with pytest.raises(SettingsError, match="open to others"):
            tell_all(gateway, mailer(port, tmp_path, **given))
    assert [mail["X-Envelope"] for mail in box.mails] == [f"{FROM} {' '.join(TO)} True"]


def test_a_server_that_nobody_vouches_for_gets_nothing(house: House, tmp_path: Path) -> None:
    gateway, _ = late_notice()
    box = Postbox()
    with mail_server(box, tls_context=server_context(house)) as port:
        with pytest.raises(MailError, match="SSLCertVerificationError"):
            tell_all(gateway, mailer(port, starttls=True))
    with mail_server(box) as port:
        with pytest.raises(MailError, match="SMTPNotSupportedError"):
            tell_all(gateway, mailer(port, starttls=True))
    with pytest.raises(SettingsError, match="no certificates"):
        tell_all(gateway, mailer(port, tmp_path, starttls=True, ca_file="none.pem"))
    assert box.mails == []


class Moody:
    """A mailer that fails a few times first."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.taken: list[str] = []

    def send(self, subject: str, text: str) -> None:
        if self.failures:
            self.failures -= 1
            raise MailError("not now")
        self.taken.append(subject)


def test_a_running_gateway_looks_again_and_asks_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("intertie.bindings.mail_smtp.escalations.MAIL_RETRY_SECONDS", 0.01)
    pair = make_pair()
    messages = [send_it(pair.utility) for _ in range(3)]
    mailer, counted = Moody(2), Counter[str]()

    def count(escalation: Escalation) -> None:
        counted[escalation.message] += 1

    async def go() -> None:
        escalations = Escalations(pair.utility, mailer, lambda: LATE, count)
        for _ in range(300):
            escalations.look()
            await asyncio.sleep(0.01)
            if len(mailer.taken) == 3:
                break
        escalations.look()
        await asyncio.sleep(0.05)
        await escalations.aclose()

    with caplog.at_level("INFO", "intertie.escalation"):
        asyncio.run(go())
    assert len(mailer.taken) == 3 and counted == dict.fromkeys(messages, 1)
    said = Counter(record.getMessage() for record in caplog.records)
    assert said == {"not acknowledged in time": 3, "mail": 2, "mail sent": 3}


def test_without_a_mailer_it_is_logged_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    pair = make_pair()
    send_it(pair.utility)

    async def go() -> None:
        escalations = Escalations(pair.utility, None, lambda: LATE)
        escalations.look()
        await escalations.aclose()

    with caplog.at_level("INFO", "intertie.escalation"):
        asyncio.run(go())
    assert [record.getMessage() for record in caplog.records] == ["not acknowledged in time"]


def test_a_store_that_is_gone_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    pair = make_pair()
    pair.utility.store.close()

    async def go() -> None:
        Escalations(pair.utility, None, lambda: LATE).look()

    with caplog.at_level("INFO", "intertie.escalation"):
        asyncio.run(go())
    assert [record.getMessage() for record in caplog.records] == ["escalation"]
