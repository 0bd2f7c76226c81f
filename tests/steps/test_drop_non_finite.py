"""drop_non_finite: see below."""

EXAMPLES = [""]
