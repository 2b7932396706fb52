"""How a gateway stands: queues, readiness, its keys, and what falls short of the policy."""
