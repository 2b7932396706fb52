"""What comes in: who may come, the order of verification, and parcels that are fetched instead of posted."""
