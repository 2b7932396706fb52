"""Files beside messages: sealed, brought in pieces, resumed, and swept up when they belong to nothing."""
