"""The parts of the load tests that decide."""
