"""The command line: one file per command."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Sequence

from cyclopts import App, CycloptsError, Parameter

import intertie
from intertie.model.errors import IntertieError

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

app = App(
    name="intertie",
    version=intertie.__version__,
    help="The exchange between distribution utilities and DER aggregators: signed, sealed, receipted, provable.",
    default_parameter=Parameter(negative=()),
    result_action="return_value",
)
# Each is a file of its own in this folder, imported only when it is called: half of what one needs another does not, and a
# command line is waited for.
COMMANDS = {
    "init": "Make a gateway: settings, a trial certificate authority, keys, and the descriptor for partners.",
    "serve": "Run this gateway: its street door for partners, and deliveries to them.",
    "send": "Queue messages and print their ids; intertie serve delivers them.",
    "inbox": "List accepted messages, oldest first.",
    "outbox": "List messages on their way and done, with their state.",
    "status": "Show how this gateway stands: who serves, what waits, what was late or refused.",
    "doctor": "Look at everything that can be wrong with this installation, and say what to do.",
    "example": "Print an example body of a document; without a name, list the documents.",
    "demo": "Play a season between a distribution utility and an aggregator on this machine.",
    "erase": "Erase message bodies. Hash, header, receipt and journal stay.",
    "hold": "Keep messages from being erased (legal hold), or end that.",
}
GROUPS = {
    "partner": "The parties this gateway does business with.",
    "trade": "Contracts and deals with a partner, as both gateways hold them.",
    "registration": "Aggregations, their DERs, and what the utility says of each.",
    "availability": "What aggregations can do: declared, and what remains of it.",
    "market": "What the utility needs, what is offered, ordered, and how it was decided.",
    "outage": "What is out: of the grid, and of the DERs.",
    "dispatch": "Calling what was sold: instructions, answers, reports, telemetry.",
    "billing": "Invoices, payments, and the account with a partner.",
    "readings": "Interval readings of meters: taken in, looked at, estimated.",
    "espi": "Third parties that fetch customers' readings (Green Button): applications and consents.",
    "settle": "What was delivered and what it is worth: statements, explained and compared.",
    "message": "One message, in or out.",
    "evidence": "Proof of a message that stands without this gateway.",
    "journal": "The tamper-evident record of what was sent and received.",
    "interfaces": "The interfaces of the mission: who sends what to whom, and how protected.",
    "parcel": "Sealed parcels that somebody carries: out to a file or a medium, and in from one.",
    "relay": "Parcels of others that this gateway hands on, sealed: routes, and what waits for whom.",
    "policy": "Protection: how it is computed, what falls short of it, what cryptography is here.",
    "keys": "The private keys of this gateway: what there is, turning them, protecting them.",
    "token": "Access tokens: what partners may be granted, what is revoked, the signing key.",
    "store": "Backups of what is kept, and the keys that message bodies are encrypted with.",
    "api": "The office API for our own systems: its keys.",
    "person": "Who may come in at the portal, and as what.",
    "ca": "A certificate authority for trials.",
    "x12": "X12 004010 interchanges: show, check, and write them.",
    "trust": "Trusted roots, revocation lists and OCSP answers.",
}
for name, text in COMMANDS.items():
    app.command(f"intertie.cli.{name}:{name}", name=name, help=text)
for name, text in GROUPS.items():
    app.command(f"intertie.cli.{name}:app", name=name, help=text)


def run(arguments: Sequence[str] | None = None, begin: Callable[[], None] = lambda: None) -> int:
    """Run one command line; its exit code. 1: it failed, stderr says why and what to do. 2: it was not understood.

    `begin` is called when the command is found and imported, before it does anything.
    """
    try:
        command, bound, _ = app.parse_args(arguments, exit_on_error=False, print_error=True)
        begin()
        result = command(*bound.args, **bound.kwargs)
        sys.stdout.flush()
        return result if isinstance(result, int) else OK
    except CycloptsError:
        return USAGE
    except IntertieError as error:
        sys.stderr.write(f"intertie: {error}\n")
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # whoever read our output has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:  # a folder that cannot be made, a full disk
        sys.stderr.write(f"intertie: {error}. Check the place and its permissions.\n")
        return FAILED


def main() -> None:
    """Entry point of the `intertie` program."""
    gc.disable()
    sys.exit(run(begin=keep_what_is_imported))


def keep_what_is_imported() -> None:
    """Nothing of a thousand modules ever becomes garbage: looking for it was a quarter of a short command's time."""
    gc.freeze()
    gc.enable()
