"""ESPI (Green Button Connect My Data): a custodian's door for third parties, and our own fetching from other custodians."""
