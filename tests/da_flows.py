"""How many flows of the interface DA there are, by who sends: a new document is one more, and no test's business."""

from __future__ import annotations

from intertie.catalogue.load import load_catalogue

_KEYS = [flow.key for flow in load_catalogue().flows() if flow.key.startswith("DA.")]
OUT = sum(".distribution_utility>der_aggregator." in key for key in _KEYS)
IN = sum(".der_aggregator>distribution_utility." in key for key in _KEYS)
