"""The joining door: two gateways that have a code in common, and no trusted root, become partners over TLS 1.3."""
