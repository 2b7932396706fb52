"""Partners that speak a protocol of their own: their files and messages become ours, and ours theirs."""
