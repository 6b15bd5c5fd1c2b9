"""Faults as data, and what must hold whatever happens: admitted = settled, nothing leaks, no success that is none."""
