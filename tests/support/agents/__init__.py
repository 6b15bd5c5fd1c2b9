"""Coding agents, unmodified, doing a task through a gateway: installing, running, and what each asked for.

Rules: an agent is what npm or PyPI installs, in one pinned version, in a folder of its own; it runs
    non-interactively in a scratch folder and home, with its telemetry and updates off, and
    needs nothing but the gateway.
Not here: the model, which the simulator plays from a script; the test (tests/e2e/test_agents.py).
"""
