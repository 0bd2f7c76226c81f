"""A supervised pool of processes: every item gets exactly one outcome."""
