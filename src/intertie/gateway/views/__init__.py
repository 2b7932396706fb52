"""What pages show: read from books and stores, worked out by the rules, never by a page."""
