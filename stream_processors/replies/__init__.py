"""Commands that help whoever writes to customers: `language-check` and `answers`."""
