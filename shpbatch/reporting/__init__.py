"""What a run says: its log, its bar, its summary, its metrics."""
