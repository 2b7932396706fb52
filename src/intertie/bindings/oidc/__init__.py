"""OpenID Connect as a relying party: discovery, the authorization code flow with PKCE, and the provider's keys."""
