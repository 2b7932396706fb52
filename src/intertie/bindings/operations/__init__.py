"""What those who run a gateway see of it: the operations door, metrics, logs, traces, and its worker processes."""
