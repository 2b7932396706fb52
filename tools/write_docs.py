"""Write the generated pages again: coverage, interfaces, policy, rules of the trade, state diagrams, schemas."""

from __future__ import annotations

from pathlib import Path

import write_coverage
import write_interfaces
import write_policy
import write_rules
import write_schemas
import write_states


def main() -> None:
    """Run every page writer against this checkout."""
    root = Path(__file__).parent.parent
    for writer in (write_coverage, write_interfaces, write_policy, write_rules, write_schemas, write_states):
        writer.write(root)
        print(f"{writer.__name__}: written")


if __name__ == "__main__":
    main()
