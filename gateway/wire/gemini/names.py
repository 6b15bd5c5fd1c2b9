"""Paths of members as a Gemini client knows them: what is `top_k` inside is its `generationConfig.topK`.

Rules: a path that is not of the inside (a Gemini member already, a header) stays as it is.
Not here: who tells a client a path (the frontend).
"""

import re
from typing import Final

_CONFIG: Final = "generationConfig."
_NAMES: Final = {
    "temperature": _CONFIG + "temperature",
    "top_p": _CONFIG + "topP",
    "top_k": _CONFIG + "topK",
    "n": _CONFIG + "candidateCount",
    "max_completion_tokens": _CONFIG + "maxOutputTokens",
    "max_tokens": _CONFIG + "maxOutputTokens",
    "stop": _CONFIG + "stopSequences",
    "response_format": _CONFIG + "responseMimeType",
    "presence_penalty": _CONFIG + "presencePenalty",
    "frequency_penalty": _CONFIG + "frequencyPenalty",
    "seed": _CONFIG + "seed",
    "logprobs": _CONFIG + "responseLogprobs",
    "top_logprobs": _CONFIG + "logprobs",
    "modalities": _CONFIG + "responseModalities",
    "thinking": _CONFIG + "thinkingConfig",
    "reasoning_effort": _CONFIG + "thinkingConfig",
    "messages": "contents",
    "tool_choice": "toolConfig.functionCallingConfig",
    "safety_settings": "safetySettings",
    "cached_content": "cachedContent",
    "input": "content",
    "dimensions": "outputDimensionality",
}
_TURN: Final = re.compile(r"messages\[(-?\d+)\](?:\.content(?:\[(\d+)\])?)?")
_FUNCTION: Final = re.compile(r"tools\[(\d+)\]\.function\b")
_INPUT: Final = re.compile(r"input\[(\d+)\]")
_FIRST: Final = re.compile(r"\w+")


def own_path(path: str) -> str:
    """The path of a member in Gemini's words."""
    if found := _TURN.match(path):
        return _turn(found) + path[found.end() :]
    if found := _FUNCTION.match(path):
        return f"tools.functionDeclarations[{found[1]}]" + path[found.end() :]
    if found := _INPUT.fullmatch(path):
        return f"requests[{found[1]}].content"
    found = _FIRST.match(path)
    name = found[0] if found else ""
    return _NAMES.get(name, name) + path[len(name) :]


def _turn(found: re.Match[str]) -> str:
    is_beside = found[1].startswith("-")  # the instructions stand before the first turn
    turn = "systemInstruction" if is_beside else f"contents[{found[1]}]"
    if found[2] is not None:
        return f"{turn}.parts[{found[2]}]"
    return f"{turn}.parts" if found[0].endswith(".content") else turn
