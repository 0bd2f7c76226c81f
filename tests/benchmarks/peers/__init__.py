"""What shpbatch is measured against: small scripts, each started as a process of its own."""
