"""`python -m gateway` is the command `gateway`.

Rules:
    - Nothing but the call.
Not here:
    - The commands (cli).
"""

from gateway.cli import main

main()
