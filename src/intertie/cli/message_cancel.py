"""`intertie message cancel`: take a message back before it leaves."""

from __future__ import annotations

from intertie.cli._shared import HERE, Dir, Json, print_json
from intertie.exchange.outbound import State
from intertie.gateway.sending.cancel import cancel as take_back
from intertie.model.errors import SettingsError
from intertie.model.ids import MessageId
from intertie.run import opened


def cancel(id: MessageId, /, *, dir: Dir = HERE, json: Json = False) -> None:
    """Take back a message that is still queued. What has left cannot be: its document says how it is cancelled, or not.

    Parameters
    ----------
    id
        The message's id, as `outbox` prints it.
    """
    with opened(dir) as it:
        done = take_back(it.gateway, id, it.clock())
        row = it.gateway.store.message(id, outgoing=True, body=False)
    if row is None:
        raise SettingsError(f"no message {id} was sent from here", do="`intertie outbox` lists them.")
    if not done:
        left = "it has left already" if row.state is State.SENDING else f"it is {row.state.value}"
        raise SettingsError(
            f"message {id} is not taken back: {left}",
            do="If its document can be cancelled, send it with the verb `cancel`.",
        )
    print_json({"message": id, "state": row.state.value}) if json else print(f"Message {id} is taken back.")
