"""Anthropic's text completions, simulated: `POST /v1/complete`, whole and streamed.

Rules:
- Pure; ids are derived from the request. A prompt that does not begin with the user's turn, or end where the model goes
  on, is refused, as the vendor does.
- The answer begins with a space, and so does the stream; tokens are counted nowhere.

Not here: what is said (answer.py), faults and bytes (play.py), errors (anthropic.py, whose words they are).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

import orjson

from gateway.simulator.answer import Answer, Question, answer, check, count_tokens
from gateway.simulator.anthropic import Anthropic
from gateway.simulator.behaviour import Behaviour
from gateway.simulator.openai_chat import digest
from gateway.simulator.reply import Ask, Canned, Frame, Json, Refused, Reply, Route, StreamReply

TURN_END = "\n\nHuman:"
_TURN = re.compile(r"\n\n(Human|Assistant):")
_MESSAGES = Anthropic()
_MEMBERS = frozenset((
    *("model", "prompt", "max_tokens_to_sample", "stop_sequences", "temperature", "top_k", "top_p", "stream"),
    "metadata",
))  # fmt: skip


class AnthropicComplete:
    """The format as the server uses it (see reply.WireFormat)."""

    routes: tuple[Route, ...] = (Route("POST", "/v1/complete", "complete"),)
    error_event: str | None = "error"

    def is_authorized(self, headers: Mapping[str, str], key: str) -> bool:
        """`x-api-key`, or a bearer token."""
        return _MESSAGES.is_authorized(headers, key)

    def ask(self, operation: str, params: Mapping[str, str], body: bytes) -> Ask:
        """Decode a request. Raises Refused."""
        asked = _MESSAGES.ask(operation, params, body)
        for name in asked.body.keys() - _MEMBERS:
            raise Refused(400, None, f"{name}: Extra inputs are not permitted")
        return Ask(operation, asked.model, asked.body.get("stream") is True, asked.body)

    def reply(self, ask: Ask, behaviour: Behaviour) -> Reply:
        """Return the healthy answer of a model that behaves so. Raises Refused."""
        question = _question(ask.body)
        check(question, behaviour)
        said = answer(question, behaviour)
        head = {"type": "completion", "id": "compl_" + digest(orjson.dumps(ask.body)), "model": ask.model}
        end: Json = {"stop_reason": "max_tokens" if said.finish == "length" else "stop_sequence"}
        end["stop"] = None if said.finish == "length" else _stop(question, behaviour)
        if ask.is_stream:
            return _stream(head, said, end)
        return {**head, "completion": " " + _words(said), **end}

    def error(self, refused: Refused) -> Json:
        """Anthropic's error object."""
        return _MESSAGES.error(refused)

    def bench(self, operation: str) -> Canned | None:  # an argument of every format
        """None: load tests drive Messages."""
        return None


def _words(said: Answer) -> str:
    return said.text or "".join(said.refusal)


def _stop(question: Question, behaviour: Behaviour) -> str:
    whole = answer(replace(question, stop=()), behaviour).text if question.stop else ""
    return next((stop for stop in question.stop if stop in whole), TURN_END)


def _stream(head: Json, said: Answer, end: Json) -> StreamReply:
    def frame(text: str, **members: str | None) -> Frame:
        return Frame({**head, "completion": text, "stop_reason": None, "stop": None, **members}, "completion")

    def content() -> Iterator[Frame]:
        for at, piece in enumerate(said.pieces or said.refusal):
            yield frame(piece if at else " " + piece.lstrip())

    return StreamReply((Frame({"type": "ping"}, "ping"),), content(), (), (frame("", **end),))


def _question(body: Json) -> Question:
    prompt, limit = body.get("prompt"), body.get("max_tokens_to_sample")
    if not isinstance(limit, int) or limit < 1:
        raise Refused(400, None, "max_tokens_to_sample: Field required")
    if not isinstance(prompt, str) or TURN_END not in prompt:
        raise Refused(400, None, 'prompt must start with "\n\nHuman:" turn after an optional system prompt')
    instructions, *parts = _TURN.split(prompt)
    turns = list(zip(parts[::2], parts[1::2], strict=True))
    if turns[0][0] != "Human":
        raise Refused(400, None, 'prompt must start with "\n\nHuman:" turn after an optional system prompt')
    if turns[-1][0] != "Assistant":
        raise Refused(400, None, 'prompt must end with "\n\nAssistant:" turn')
    last = [text.strip() for name, text in turns if name == "Human"][-1]
    tokens = count_tokens(instructions) + sum(count_tokens(text) for _, text in turns)
    is_prefilled = bool(turns[-1][1].strip())
    stop = tuple(body.get("stop_sequences") or ())
    return Question(last, tokens, is_prefilled=is_prefilled, stop=stop, max_tokens=limit)
