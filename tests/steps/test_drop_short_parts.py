"""drop_short_parts: see below."""

EXAMPLES = [""]
