"""Stand-in upstreams over real HTTP: behaviour and faults chosen by model name, every request observed.

Rules:
- Sees `gateway.wire` only; nothing of the gateway proper knows that an upstream is simulated.
- One file per wire format (`openai.py`); behaviour, faults and observation know no wire format. A new format is a
  file that fulfils `reply.WireFormat` and an entry in `server.FORMATS`.

Not here: commands (cli), the choice to route to it in development (app).
"""
