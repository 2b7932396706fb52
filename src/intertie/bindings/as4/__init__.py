"""AS4 over HTTPS: files in with a signed receipt, files out, and the receipts for them (docs/as4.md)."""
