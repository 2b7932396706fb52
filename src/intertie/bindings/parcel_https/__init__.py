"""Parcels over HTTPS with mutual TLS 1.3: our own binding, between two gateways."""

PARCEL = "application/vnd.intertie.parcel"
RECEIPT = "application/jose+json"
DESCRIPTOR = "application/jose+json"
PROBLEM = "application/problem+json"  # RFC 9457
PIECE = "application/partial-upload"  # draft-ietf-httpbis-resumable-upload
FLOW = "application/json"  # POST /flow: stop flags
# The priority of the most urgent message in a parcel, 0 to 9, as its sender says: only a hint, the parcel is sealed.
PRIORITY = "intertie-priority"
# With GET /parcels/next: the sequence of the other side's descriptor that is known, and the scopes that it is granted. In the
# answer: the sequence of the descriptor that there is.
KNOWN_DESCRIPTOR = "intertie-descriptor"
SCOPES = "intertie-scopes"
