"""Two gateways whose parcels go by SFTP alone: one has the mailbox, the other goes to it. Processes of their own, real SSH; and
OpenSSH's client, that drops a parcel into the mailbox and fetches its receipt."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.command.gateways import command, served
from tests.command.relaying import AGGREGATOR, HOME, HUB, Three, both_ways, left_in, make_three, wait_for
from tests.interop.sftp_house import make_key, needs_client
from tests.ports import free_port

from intertie.run import opened
from intertie.seal.ssh_keys import CLIENT, HOST, public_line

LEGACY = """
name = "{name}"
roles = ["{role}"]
legacy_until = 2099-12-31

[sftp]
{sftp}

[parcel]
"""


def key_line(directory: Path, name: str) -> str:
    with opened(directory) as it:
        return public_line(it.ssh_key(name))


def by_sftp(directory: Path, party: str, role: str, sftp: str) -> None:
    """Put the legacy file beside the partner's descriptor."""
    text = LEGACY.format(name=party, role=role, sftp=sftp)
    (directory / "partners" / f"{party}.legacy").write_text(text)


def enable(directory: Path, listen: str = "") -> None:
    settings = directory / "intertie.toml"
    said = "[sftp]\nenabled = true\n" + (f'listen = "{listen}"\n' if listen else "")
    settings.write_text(settings.read_text().replace("[sftp]\n", said, 1))


def two_by_sftp(base: Path) -> tuple[Three, int]:
    """The aggregator has the mailbox; the customer's gateway goes there. Nobody stands between."""
    three, port = make_three(base), free_port()
    for directory, other in ((three.aggregator, HOME), (three.home, AGGREGATOR)):
        assert command("partner", "via", other, "--direct", "--dir", directory).code == 0
    enable(three.aggregator, f"127.0.0.1:{port}")
    enable(three.home)
    theirs = key_line(three.home, CLIENT)
    by_sftp(three.aggregator, HOME, "gateway_esi", f'user = "home"\nkeys = ["{theirs}"]')
    there = (
        f'server = {{ host = "127.0.0.1", port = {port}, user = "home", to = "in", fetch = "out", answers = "receipts", '
        f'receipts = "in", poll_seconds = 1, host_keys = ["{key_line(three.aggregator, HOST)}"] }}'
    )
    by_sftp(three.home, AGGREGATOR, "der_aggregator", there)
    return three, port


def test_parcels_and_receipts_of_two_gateways_go_both_ways_by_sftp(tmp_path: Path) -> None:
    three, _ = two_by_sftp(tmp_path)
    shown = command("partner", "show", HOME, "--dir", three.aggregator, "--json").json
    assert shown["goes_by"]["binding"] == "parcels as files"
    with served(three.aggregator), served(three.home):
        both_ways(three, tmp_path)
    assert not left_in(three.aggregator / "sftp" / HOME / "box"), "what was fetched is removed"


@needs_client
def test_a_parcel_dropped_by_openssh_is_receipted_and_goes_on_by_the_relay(tmp_path: Path) -> None:
    """From a medium, by somebody's sftp, into the relay's mailbox; over TLS to its recipient."""
    three, port = make_three(tmp_path), free_port()
    enable(three.hub, f"127.0.0.1:{port}")
    line = make_key(tmp_path / "id")
    by_sftp(three.hub, AGGREGATOR, "der_aggregator", f'user = "aggregator"\nkeys = ["{line}"]')
    body = tmp_path / "command.json"
    body.write_text(command("example", "charging_command").out)
    sent = command(
        "send", body, "--to", HOME, "--document", "charging_command", "--interface", "ET8", "--mode", "real_time",
        "--dir", three.aggregator, "--json",
    )  # fmt: skip
    assert sent.code == 0, sent.err
    (tmp_path / "medium").mkdir()
    out = command(
        "parcel", "export", HOME, "--to", tmp_path / "medium", "--dir", three.aggregator, "--json"
    ).json
    file = Path(out["file"])
    assert file.suffix == ".itc"
    (tmp_path / "hosts").write_text(f"[127.0.0.1]:{port} {key_line(three.hub, HOST)}\n")

    def sftp(*lines: str) -> None:
        ways = [
            "-i",
            str(tmp_path / "id"),
            "-o",
            f"UserKnownHostsFile={tmp_path / 'hosts'}",
            "-o",
            "BatchMode=yes",
        ]
        done = subprocess.run(
            ["sftp", "-q", *ways, "-P", str(port), "-b", "-", "aggregator@127.0.0.1"],
            input="\n".join(lines),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    box = three.hub / "sftp" / AGGREGATOR / "box"
    with served(three.hub), served(three.home):
        sftp(f"put {file} in/{file.name}.part", f"rename in/{file.name}.part in/{file.name}")
        wait_for((box / "receipts" / f"{out['parcel']}.taken.json").exists)
        wait_for((box / "out" / f"{out['parcel']}.itr").exists)
        sftp(f"get receipts/{out['parcel']}.taken.json {tmp_path}", f"get out/{out['parcel']}.itr {tmp_path}")
    for name in (f"{out['parcel']}.taken.json", f"{out['parcel']}.itr"):
        done = command(
            "parcel", "import", tmp_path / name, "--to", tmp_path / "medium", "--dir", three.aggregator
        )
        assert done.code == 0, done.err
    (message,) = json.loads(command("outbox", "--dir", three.aggregator, "--json").out)["messages"]
    assert message["state"] == "accepted"
    evidence = tmp_path / "evidence.json"
    assert command("evidence", "export", message["id"], "-o", evidence, "--dir", three.aggregator).code == 0
    root = three.aggregator / "trust" / "trial-ca.pem"
    (hop,) = command("evidence", "verify", evidence, "--trust", root, "--json").json["report"]["hops"]
    assert hop["by"] == HUB
