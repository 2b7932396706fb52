"""Protection: identities, signatures, sealing, parcels, receipts and evidence. The only folder that touches cryptography."""
