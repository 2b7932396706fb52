"""What a period comes to, at both sides: worked out, explained, compared, disputed, trued up."""
