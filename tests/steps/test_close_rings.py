"""close_rings: see below."""

EXAMPLES = [""]
