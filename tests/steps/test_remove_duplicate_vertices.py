"""remove_duplicate_vertices: see below."""

EXAMPLES = [""]
