"""OAuth 2.0 at the street door: tokens for partners (RFC 6749 s.4.4, RFC 8705), and what guards the other doors."""

TOKEN = "/oauth/token"  # noqa: S105
INTROSPECTION = "/oauth/introspect"
REVOCATION = "/oauth/revoke"
KEYS = "/oauth/jwks"
METADATA = "/.well-known/oauth-authorization-server"  # RFC 8414 s.3
