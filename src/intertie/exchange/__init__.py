"""The conversation as state tables, (state, event) -> state: send, repeat, refuse, expire. No I/O; `now` is an argument."""
