"""A plan carried out: options, pool, log and publisher together."""
