"""Layered YAML to one frozen tree.

Rules:
    - `load` (load.py) reads it, `Current` (snapshot.py) holds it, `Config` (schema) is its shape.

Not here: anything that acts on the configuration.
"""
