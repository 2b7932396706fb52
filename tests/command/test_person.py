"""People from the command line, and a gateway that serves: one of them comes in at its portal, over TLS."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

import httpx
import pytest
from tests.command.gateways import here, make_pair, served
from tests.command.test_office import open_for, with_office


def test_people_of_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    utility, _ = make_pair(tmp_path)
    made = here(capsys, "person", "add", "ann", "--role", "operator", "--role", "trader", "--dir", utility)
    assert (
        re.match(r"(?:[0-9a-f]{4}-){6}[0-9a-f]{2}\n", made.out) and "lets ann in once within 24" in made.out
    )
    assert "already" in here(capsys, "person", "add", "ann", "--role", "trader", "--dir", utility).err
    assert here(capsys, "person", "add", "bob", "--role", "king", "--dir", utility).code == 2
    assert "no name" in here(capsys, "person", "add", "Bob!", "--role", "trader", "--dir", utility).err
    again = here(capsys, "person", "code", "ann", "--hours", "2", "--dir", utility, "--json").json
    assert again["name"] == "ann" and again["code"] != made.out.split()[0]
    assert "up to 7 days" in here(capsys, "person", "code", "ann", "--hours", "999", "--dir", utility).err
    assert "no person named bob" in here(capsys, "person", "code", "bob", "--dir", utility).err
    assert (
        "ann is auditor now"
        in here(capsys, "person", "roles", "ann", "--role", "auditor", "--dir", utility).out
    )
    (listed,) = here(capsys, "person", "list", "--dir", utility, "--json").json["people"]
    assert (
        listed["name"] == "ann"
        and listed["roles"] == "auditor"
        and listed["signs in by"] == "a sign-in code only"
    )
    assert "comes in no more" in here(capsys, "person", "disable", "ann", "--dir", utility).out
    assert "no person named ann" in here(capsys, "person", "disable", "ann", "--dir", utility).err
    journal = here(capsys, "journal", "verify", "--dir", utility)
    assert journal.code == 0


def test_somebody_comes_in_over_tls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Several processes of the office share people and sessions; the cookie is for this host and TLS only."""
    utility, _ = make_pair(tmp_path)
    port = with_office(utility, 'tls = "own"', "processes = 2")
    code = here(capsys, "person", "add", "ann", "--role", "operator", "--dir", utility).out.split()[0]
    key = here(capsys, "api", "key", "add", "k", "--role", "auditor", "--dir", utility).out.split()[0]
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    url = f"https://127.0.0.1:{port}"
    with served(utility):
        open_for(utility, url, key, context)
        with httpx.Client(base_url=url, verify=context, headers={"user-agent": "a browser"}) as http:
            first = http.get("/messages")
            assert first.status_code == 303 and first.headers["location"] == "/sign-in?next=%2Fmessages"
            entered = http.post("/sign-in/code", data={"code": code}, headers={"origin": url})
            assert entered.status_code == 303, entered.text
            assert entered.headers["set-cookie"].startswith("__Host-intertie=")
            for _ in range(12):  # whichever process answers
                with httpx.Client(
                    base_url=url, verify=context, headers={"user-agent": "a browser"}, cookies=http.cookies
                ) as once:
                    page = once.get("/messages")
                    assert page.status_code == 200 and "ann" in page.text
    assert (
        "disabled"
        not in here(capsys, "person", "list", "--dir", utility, "--json").json["people"][0]["signs in by"]
    )
