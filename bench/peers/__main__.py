"""`python -m bench.peers`: the environments of the programs that tests exchange with. One that cannot be made here is named; its
tests are skipped and say so."""

from __future__ import annotations

import sys

from bench.peers.environment import Unavailable, node_packages_of, python_of

TESTED_WITH = ("as4", "espi", "oidc", "pyas2lib", "shapeshifter-uftp", "spark", "x12", "xmlsec")

FROM_NPM = ("libas2",)

for name in (*TESTED_WITH, *FROM_NPM):
    try:
        (node_packages_of if name in FROM_NPM else python_of)(name)
    except Unavailable as why:
        sys.stderr.write(f"{name}: not installed, tests with it are skipped: {why}\n")
