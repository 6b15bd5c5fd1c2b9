"""Google's PaLM format, simulated: generateMessage, generateText, and Vertex's predict.

Rules:
- Pure; nothing is streamed. Speakers take turns and the user is last, as the vendor wants it.
- The developers' API counts nothing; Vertex counts tokens, and characters for the bill.
- What is filtered has no candidates; on Vertex it has one that is blocked.

Not here: what is said (answer.py), faults and bytes (play.py), errors (gemini.py, whose words they are).
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from gateway.simulator.answer import Answer, Question, answer, check, count_tokens
from gateway.simulator.behaviour import Behaviour
from gateway.simulator.gemini import Gemini
from gateway.simulator.reply import Ask, Canned, Json, Refused, Reply, Route

MAX_CANDIDATES = 8
_GEMINI = Gemini()
_SAFE: Json = {"blocked": False, "categories": [], "scores": []}
_PREFIX = "/v1/projects/{project}/locations/{location}/publishers/google"
_METHODS = ("generateMessage", "generateText")
_MEMBERS = {
    "generateMessage": {"prompt", "temperature", "candidateCount", "topP", "topK"},
    "generateText": {
        *("prompt", "temperature", "candidateCount", "maxOutputTokens", "topP", "topK", "stopSequences"),
        "safetySettings",
    },
    "predict": {"instances", "parameters"},
}


class Palm:
    """The format as the server uses it (see reply.WireFormat)."""

    routes: tuple[Route, ...] = (
        *(Route("POST", f"/v1beta2/models/{{model:.+}}:{name}", name) for name in _METHODS),
        Route("POST", f"{_PREFIX}/models/{{model:.+}}:predict", "predict"),
    )
    error_event: str | None = None

    def is_authorized(self, headers: Mapping[str, str], key: str) -> bool:
        """The key in `x-goog-api-key`, or Vertex's bearer token."""
        return _GEMINI.is_authorized(headers, key)

    def ask(self, operation: str, params: Mapping[str, str], body: bytes) -> Ask:
        """Decode a request. Raises Refused."""
        asked = _GEMINI.ask(operation, params, body)
        for name in asked.body.keys() - _MEMBERS[operation]:
            raise Refused(400, None, f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.')
        return Ask(operation, asked.model, is_stream=False, body=asked.body)

    def reply(self, ask: Ask, behaviour: Behaviour) -> Reply:
        """Return the healthy answer of a model that behaves so. Raises Refused."""
        is_vertex = ask.operation == "predict"
        settings = (ask.body.get("parameters") or {}) if is_vertex else ask.body
        prompt = ask.body["instances"][0] if is_vertex else ask.body.get("prompt") or {}
        question = _question(prompt, settings)
        check(question, behaviour)
        count = settings.get("candidateCount") or 1
        if not isinstance(count, int) or not 1 <= count <= MAX_CANDIDATES:
            raise Refused(400, None, f"candidateCount must be from 1 to {MAX_CANDIDATES}.")
        said = [answer(question, behaviour, choice) for choice in range(count)]
        if is_vertex:
            return _predicted(question, said, behaviour, is_chat="messages" in prompt)
        return _candidates(prompt, said, is_chat=ask.operation == "generateMessage")

    def error(self, refused: Refused) -> Json:
        """Google's error object."""
        return _GEMINI.error(refused)

    def bench(self, operation: str) -> Canned | None:  # an argument of every format
        """None: load tests drive OpenAI's format."""
        return None


def _words(said: Answer) -> str:
    return said.text or "".join(said.refusal)


def _candidates(prompt: Json, said: list[Answer], *, is_chat: bool) -> Json:
    shown = [item for item in said if item.finish != "content_filter"]
    filtered = {} if shown else {"filters": [{"reason": "SAFETY"}]}
    if is_chat:
        candidates = [{"author": "1", "content": _words(item)} for item in shown]
        body: Json = {"candidates": candidates, "messages": prompt["messages"], **filtered}
        return body if candidates else {name: value for name, value in body.items() if name != "candidates"}
    return {"candidates": [{"output": _words(item), "safetyRatings": []} for item in shown], **filtered}


def _predicted(question: Question, said: list[Answer], behaviour: Behaviour, *, is_chat: bool) -> Json:
    judged = [{**_SAFE, "blocked": item.finish == "content_filter"} for item in said]
    words = ["" if judge["blocked"] else _words(item) for item, judge in zip(said, judged, strict=True)]
    if is_chat:
        candidates = [{"author": "1", "content": text} for text in words]
        predictions: list[Json] = [{"candidates": candidates, "safetyAttributes": judged, "citationMetadata": []}]
    else:
        predictions = [{"content": text, "safetyAttributes": judge} for text, judge in zip(words, judged, strict=True)]
    if behaviour.is_usage_omitted:
        return {"predictions": predictions}
    counts = {
        "inputTokenCount": _count(question.prompt_tokens, len(question.text)),
        "outputTokenCount": _count(sum(item.tokens for item in said), sum(map(len, words))),
    }
    return {"predictions": predictions, "metadata": {"tokenMetadata": counts}}


def _count(tokens: int, characters: int) -> Json:
    return {"totalTokens": tokens, "totalBillableCharacters": characters}


def _question(prompt: Json, settings: Json) -> Question:
    stop, limit = tuple(settings.get("stopSequences") or ()), settings.get("maxOutputTokens")
    messages: Any = prompt.get("messages")
    if messages is None:
        text = prompt.get("text", prompt.get("prompt"))
        if not text or not isinstance(text, str):
            raise Refused(400, None, "prompt must not be empty.")
        return Question(text, count_tokens(text), stop=stop, max_tokens=limit)
    authors = [message.get("author") for message in messages]
    if not authors or any(left == right for left, right in pairwise(authors)):
        raise Refused(400, None, "messages must not be empty, and their authors must take turns.")
    if len(authors) % 2 == 0:
        raise Refused(400, None, "the last message must be the user's.")
    words = [str(prompt.get("context") or ""), *(message["content"] for message in messages)]
    return Question(messages[-1]["content"], sum(map(count_tokens, words)), stop=stop, max_tokens=limit)
