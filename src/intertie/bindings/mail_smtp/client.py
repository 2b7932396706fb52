"""One mail over SMTP (RFC 5321), with STARTTLS (RFC 3207) unless that is switched off."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from pathlib import Path

from intertie.gateway.configuration.settings import Escalation
from intertie.gateway.sending.escalate import MailError
from intertie.model.errors import SettingsError
from intertie.seal.private_files import read_secret_text


class SmtpMailer:
    """`gateway.sending.escalate.Mailer` at the server that the settings name: a connection for each mail, there are few."""

    def __init__(self, settings: Escalation, directory: Path, clock: Callable[[], datetime]) -> None:
        """Files are relative to `directory`."""
        self._settings = settings
        self._directory = directory
        self._clock = clock

    def send(self, subject: str, text: str) -> None:
        """Hand over one mail; MailError if the server did not take it for every recipient, SettingsError for a password or
        a certificate file that cannot be read. Blocks, for `seconds` at each step at most."""
        it = self._settings
        mail = self._compose(subject, text)
        password = self._password() if it.user else ""
        context = self._context() if it.starttls else None
        try:
            with smtplib.SMTP(it.host, it.port, timeout=it.seconds) as server:
                if context is not None:
                    server.starttls(context=context)
                if it.user:
                    server.login(it.user, password)
                refused = server.send_message(mail, it.sender, list(it.to))
        except (smtplib.SMTPException, ssl.SSLError, OSError, UnicodeError, ValueError) as error:
            # Of what the server says only the kind: its text may quote what we sent.
            code = getattr(error, "smtp_code", "")
            why = f"{it.host}:{it.port} did not take a mail: {type(error).__name__} {code}".strip()
            raise MailError(why, do="Check [escalation] and the mail server.") from error
        if refused:
            raise MailError(
                f"{it.host}:{it.port} did not take a mail for {len(refused)} of {len(it.to)} recipients",
                do="Check [escalation] to.",
            )

    def _compose(self, subject: str, text: str) -> EmailMessage:
        it = self._settings
        mail = EmailMessage()
        mail["Subject"] = subject
        mail["From"] = it.sender
        mail["To"] = ", ".join(it.to)
        mail["Date"] = format_datetime(self._clock())
        mail["Message-ID"] = make_msgid(domain=it.sender.partition("@")[2])
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834 s.5: no vacation notes to this
        mail.set_content(text)
        return mail

    def _password(self) -> str:
        path = self._directory / self._settings.password_file
        return read_secret_text(path, "password").decode("utf-8", "surrogateescape")

    def _context(self) -> ssl.SSLContext:
        name = self._settings.ca_file
        path = self._directory / name if name else None
        try:
            context = ssl.create_default_context(cafile=path)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(
                f"{path} has no certificates that can be read", do="Check [escalation] ca_file."
            ) from error
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context
