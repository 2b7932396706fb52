"""Revocation lists and OCSP over HTTP, as authorities publish them (RFC 5280 s.4.2.1.13, RFC 6960 appendix A)."""

OCSP_REQUEST, OCSP_ANSWER = "application/ocsp-request", "application/ocsp-response"
PKIX_CRL = "application/pkix-crl"
