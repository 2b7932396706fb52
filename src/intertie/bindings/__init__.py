"""Speaking to others: one folder per wire protocol. No rules of their own: a binding ends in an act of the gateway."""
