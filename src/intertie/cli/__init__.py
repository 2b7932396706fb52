"""The command line: one file per command."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError, Parameter

import intertie
from intertie.cli import (
    ca,
    evidence,
    interfaces,
    journal,
    keys,
    message,
    partner,
    policy,
    store,
    token,
    trust,
)
from intertie.cli.doctor import doctor
from intertie.cli.erase import erase
from intertie.cli.example import example
from intertie.cli.hold import hold
from intertie.cli.inbox import inbox
from intertie.cli.init import init
from intertie.cli.outbox import outbox
from intertie.cli.send import send
from intertie.cli.serve import serve
from intertie.model.errors import IntertieError

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

app = App(
    name="intertie",
    version=intertie.__version__,
    help="The exchange between distribution utilities and DER aggregators: signed, sealed, receipted, provable.",
    default_parameter=Parameter(negative=()),
    result_action="return_value",
)
for command in (init, serve, send, inbox, outbox, doctor, example, erase, hold):
    app.command(command)
# Loaded when it is asked for: the load data's libraries are half the memory of a serving gateway.
app.command("intertie.cli.demo:demo", name="demo")
for part in (partner, message, evidence, journal, interfaces, policy, keys, token, store, ca, trust):
    app.command(part.app)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; its exit code. 1: it failed, stderr says why and what to do. 2: it was not understood."""
    try:
        result = app(arguments, exit_on_error=False, print_error=True)
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
    sys.exit(run())
