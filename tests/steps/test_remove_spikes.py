"""remove_spikes: see below."""

EXAMPLES = [""]
