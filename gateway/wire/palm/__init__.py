"""Google's PaLM format of before Gemini, on its API for developers and on Vertex.

Rules:
- Text only, and never streamed. No client speaks it.

Source: the Generative Language API v1beta2 (`generateMessage`, `generateText`), Vertex AI's `predict` for chat-bison
and text-bison.

Not here: HTTP (the provider's dialect).
"""

from typing import Final

DIALECT: Final = "palm"
