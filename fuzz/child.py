"""One target in one process: `python -m fuzz.child TARGET CORPUS [libFuzzer options]`."""

from __future__ import annotations

import random
import sys

import atheris

with atheris.instrument_imports(include=["intertie"]):
    from fuzz import targets

from fuzz.mutate import mutate_json


def main() -> None:
    """Fuzz until libFuzzer's time is over; an uncaught error ends the process and leaves the input in the corpus folder."""
    name = sys.argv.pop(1)

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        rng = random.Random(seed)
        changed = mutate_json(data, rng) if rng.random() < 0.7 else None
        if changed is None or len(changed) > max_size:
            changed = atheris.Mutate(data, max_size)
        return changed

    atheris.Setup(sys.argv, lambda data: targets.run(name, data), custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
