"""AS2 (RFC 4130): MIME entities, messages, and the receipts for them (MDN). Bytes in, bytes out; docs/as2.md."""
