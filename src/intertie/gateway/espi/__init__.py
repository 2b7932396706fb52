"""A data custodian at work: customers, consents, and what third parties may fetch and are told."""
