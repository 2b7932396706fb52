"""The portal: pages for people, one file each; a form becomes one act of `gateway/`, and no rule lives here."""
