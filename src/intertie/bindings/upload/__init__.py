"""Files over HTTPS: partners' people and scripts upload theirs and fetch ours."""
