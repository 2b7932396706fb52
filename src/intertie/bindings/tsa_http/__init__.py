"""Time-stamping authorities over HTTP (RFC 3161 s.3.4)."""
