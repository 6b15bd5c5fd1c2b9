"""What operators see: stages, logs, metrics."""
