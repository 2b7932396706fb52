"""NAESB Internet ET over HTTPS: packages in with a signed receipt, packages out, and what came of them (docs/internet-et.md)."""
