"""What we talk about: ids, parties, quantities, time, money, errors, messages and documents. Frozen, strict."""
