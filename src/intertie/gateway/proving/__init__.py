"""Evidence and journals: exported, audited, stamped, renewed; and what may be erased of what they are about."""
