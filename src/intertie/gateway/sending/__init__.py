"""What goes out: from the words of a person to a message that waits, and from there to a verified receipt."""
