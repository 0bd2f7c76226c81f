"""Sources, recipe and destination become tasks, before a byte is written."""
