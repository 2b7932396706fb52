"""docs/espi.md: the settings and commands of a custodian are run as they stand, by an operator and by a third party with curl."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import ssl
from pathlib import Path

import httpx
import pytest
from tests.command.gateways import here, served
from tests.command.test_pages import run as script
from tests.interop.espi_house import START
from tests.interop.sftp_house import until
from tests.interop.test_ftps import certificate
from tests.ports import free_port
from tests.unit.formats.espi_world import read, series, written

from intertie.bindings.espi.queries import KNOWN
from intertie.cli import run
from intertie.gateway.configuration.espi_settings import REFRESH_DAYS, EspiDoor
from intertie.gateway.espi.espi_grants import CODE_LIFE
from intertie.gateway.espi.espi_ports import TOKENS_MAX

PAGE = (Path(__file__).parents[2] / "docs" / "espi.md").read_text(encoding="utf-8")


def commands() -> list[list[str]]:
    """The blocks of the page about a custodian, as lines."""
    return [block.splitlines() for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.S | re.M)[1:]]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not here")
def test_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    monkeypatch.chdir(tmp_path)
    url = f"https://127.0.0.1:{free_port()}"
    assert run(["init", "u.example", "--role", "distribution_utility", "--url", url, "--dir", "u"]) == 0
    certificate(tmp_path / "u")
    for suffix in ("pem", "key"):
        (tmp_path / "u" / f"ftps.{suffix}").rename(tmp_path / "u" / f"door.{suffix}")
    section = re.search(r"       \[espi\]\n((?:       .*\n)+)", PAGE)
    assert section is not None
    settings = tmp_path / "u" / "intertie.toml"
    said = section[1].replace(":8497", f":{port}")
    settings.write_text(settings.read_text().replace("[espi]\n", f"[espi]\n{said}", 1))
    Path("july.xml").write_bytes(written(series([7] * 96, start=START)))
    assert here(capsys, "readings", "import", "july.xml", "--dir", "u").code == 0
    assert here(capsys, "readings", "show", "--dir", "u").code == 0
    register, consent, curl = commands()
    known: dict[str, str] = {}

    def does(line: str) -> str:
        """One line of the page, with what its variables are by now."""
        for name, text in known.items():
            line = line.replace(f"${name}", text)
        if line.startswith("intertie "):
            done = here(capsys, *shlex.split(line)[1:])
            assert done.code == 0, (line, done.err)
            return done.out
        ran = script(f"set -eu\n{line.replace(':8497', f':{port}')}", tmp_path)
        assert ran.returncode == 0, (line, ran.stderr)
        return ran.stdout

    out = does(register[0])
    known |= {"CLIENT": out.split()[1], "SECRET": out.split()[3]}
    assert known["CLIENT"] in does(register[1])
    assert re.match(r"Code: ([2-9A-Z]{5}-){3}[2-9A-Z]{5}\n", does(register[2]))
    again = here(capsys, "espi", "invite", "--customer", "C-18", "--meter", "M2", "--dir", "u", "--json").json
    assert again["url"].endswith("/espi/1_1/oauth/customer") and len(again["code"]) == 23
    with served(tmp_path / "u"):
        door = f"https://localhost:{port}"
        until(lambda: is_up(door, tmp_path / "u" / "door.pem"))
        query = {
            "response_type": "code",
            "client_id": known["CLIENT"],
            "redirect_uri": "https://app.example/back",
        }
        trust = str(tmp_path / "u" / "door.pem")
        page = httpx.get(
            f"{door}/espi/1_1/oauth/authorize", params=query, verify=trusted(trust), follow_redirects=True
        )
        number = re.search(r"number: ([0-9a-f]{12})", page.text)
        assert number is not None
        known["NUMBER"] = number[1]
        assert known["NUMBER"] in does(consent[0])
        does(consent[1])
        assert "C-17" in does(consent[2])
        known["TOKEN"] = json.loads(does(curl[0]))["access_token"]
        assert "currentStatus>1<" in does(curl[1])
        feed = does(curl[2])
    log = (tmp_path / "u" / "serve.log").read_text()
    assert '"espi"' in log and "C-17" not in log and known["TOKEN"] not in log and "asked/" not in log
    [found], _ = read(feed.encode())
    assert found.meter == "M1" and set(found.series.values) == {7}


def trusted(file: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=file)


def is_up(url: str, trust: Path) -> bool:
    try:
        return httpx.get(
            f"{url}/.well-known/oauth-authorization-server", verify=trusted(str(trust))
        ).is_success
    except httpx.TransportError:
        return False


def test_what_the_page_says_is_so() -> None:
    door = EspiDoor()
    assert "lives an hour" in PAGE and door.access_seconds == 3600
    assert "not used for a year" in PAGE and door.refresh_days == REFRESH_DAYS == 366
    assert "for a minute" in PAGE and CODE_LIFE.total_seconds() == 60
    assert "at most eight access tokens" in PAGE and TOKENS_MAX == 8
    table = PAGE.partition("| query | |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`([a-z-]+)`", table)) == KNOWN
