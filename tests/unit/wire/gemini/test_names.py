"""What a Gemini client calls the members of a request."""

from __future__ import annotations

import pytest

from gateway.wire.gemini.names import own_path


@pytest.mark.parametrize(
    ("inside", "own"),
    [
        ("top_k", "generationConfig.topK"),
        ("max_completion_tokens", "generationConfig.maxOutputTokens"),
        ("n", "generationConfig.candidateCount"),
        ("thinking.budget_tokens", "generationConfig.thinkingConfig.budget_tokens"),
        ("messages", "contents"),
        ("messages[3]", "contents[3]"),
        ("messages[3].content", "contents[3].parts"),
        ("messages[3].content[12]", "contents[3].parts[12]"),
        ("messages[3].role", "contents[3].role"),
        ("messages[-1].content[0]", "systemInstruction.parts[0]"),
        ("tools[2].function.name", "tools.functionDeclarations[2].name"),
        ("tools.googleSearch", "tools.googleSearch"),
        ("tool_choice", "toolConfig.functionCallingConfig"),
        ("safety_settings", "safetySettings"),
        ("input", "content"),
        ("input[4]", "requests[4].content"),
        ("requests[1].taskType", "requests[1].taskType"),
        ("generationConfig.brandNew", "generationConfig.brandNew"),
        ("x-request-timeout", "x-request-timeout"),
        ("model", "model"),
        ("", ""),
    ],
)
def test_a_path_in_geminis_words(inside: str, own: str) -> None:
    """Ours are translated; Gemini's own and everything else stay."""
    assert own_path(inside) == own
