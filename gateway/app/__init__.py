"""The composition root: the only place that constructs concrete objects and orders start, drain and stop.

Rules:
    - One module per process role (service, frontend, simulator), one for both halves in one process
      (single), one for all of them under a supervisor (serve).
    - A role imports only what it needs: a frontend loads no configuration library, a supervisor no server.
Not here:
    - Behaviour of any kind.
"""
