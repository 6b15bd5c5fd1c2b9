"""Load tests: scenarios for Locust, long suites with a cheap driver, and the benchmark."""
