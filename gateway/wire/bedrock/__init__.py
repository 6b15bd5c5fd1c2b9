"""The Converse format of Amazon Bedrock, as Anthropic's in other words: requests, answers, events, errors, frames.

Rules:
- Pure. No client speaks this format. A request is first written as an Anthropic body (which maps those of other
  formats), then in Converse's words; answers and events come back as Anthropic's. So Anthropic clients see their own
  format, and others what they would see of an Anthropic provider.
- What has no place in Converse is named in `unsupported` by its path.

Source: Amazon Bedrock Runtime API, Converse and ConverseStream; Smithy's `application/vnd.amazon.eventstream`.

Not here: signatures (providers/aws_signature.py), HTTP, what is done about what is unsupported (the pipeline).
"""

from typing import Final

DIALECT: Final = "bedrock"
