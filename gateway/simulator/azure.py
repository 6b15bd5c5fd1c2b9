"""Azure OpenAI, simulated: OpenAI's answers on deployment paths, with what Azure's filters say beside them.

Rules:
- Pure. The path names the model; `api-version` is required.
- A stream begins with a chunk about the prompt, without choices; a filtered request is an error inside an error.

Not here: OpenAI's own paths, also Azure's `/openai/v1` (openai.py), what is said (answer.py).
"""

from collections.abc import Iterable, Iterator, Mapping

from gateway.simulator.behaviour import Behaviour
from gateway.simulator.openai import OPERATIONS, OpenAi
from gateway.simulator.reply import Ask, Canned, Frame, Json, Refused, Reply, Route, StreamReply

SAFE: Json = {name: {"filtered": False, "severity": "safe"} for name in ("hate", "self_harm", "sexual", "violence")}
PROMPT: Json = {"prompt_filter_results": [{"prompt_index": 0, "content_filter_results": SAFE}]}
_OPENAI = OpenAi()


class Azure:
    """The format as the server uses it (see reply.WireFormat)."""

    routes: tuple[Route, ...] = tuple(
        Route("POST", f"/openai/deployments/{{deployment}}/{path}", name) for path, name in OPERATIONS
    )
    error_event: str | None = None

    def is_authorized(self, headers: Mapping[str, str], key: str) -> bool:
        """The header `api-key`, or a bearer token."""
        return _OPENAI.is_authorized(headers, key)

    def ask(self, operation: str, params: Mapping[str, str], body: bytes) -> Ask:
        """Decode a request. Raises Refused."""
        if not params.get("api-version"):
            raise Refused(404, "404", "Resource not found")
        return _OPENAI.ask(operation, params, body)

    def reply(self, ask: Ask, behaviour: Behaviour) -> Reply:
        """OpenAI's answer and what the filters say of it. Raises Refused."""
        reply = _OPENAI.reply(ask, behaviour)
        if ask.operation == "embeddings":
            return reply
        if isinstance(reply, StreamReply):
            first = Frame({"id": "", "object": "", "created": 0, "model": "", "choices": [], **PROMPT})
            content = _judged(reply.content)
            return StreamReply((first, *reply.opening), content, tuple(_judged(reply.closing)), reply.end)
        return {
            **reply,
            **PROMPT,
            "choices": [{**choice, "content_filter_results": SAFE} for choice in reply["choices"]],
        }

    def error(self, refused: Refused) -> Json:
        """OpenAI's error object; of a filter, with the filter's own inside."""
        body = _OPENAI.error(refused)
        if refused.code == "content_filter":
            inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": SAFE}
            body["error"] |= {"status": refused.status, "innererror": inner}
        return body

    def bench(self, operation: str) -> Canned | None:  # an argument of every format
        """None: load tests drive OpenAI's own paths."""
        return None


def _judged(frames: Iterable[Frame]) -> Iterator[Frame]:
    for frame in frames:
        payload = frame.payload
        if isinstance(payload, dict) and payload.get("choices"):
            choices = [{**choice, "content_filter_results": {}} for choice in payload["choices"]]
            payload = {**payload, "choices": choices}
        yield Frame(payload, frame.event)
