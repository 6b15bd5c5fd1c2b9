"""A rule is switched off by code and with a reason, or not at all."""

from __future__ import annotations

import re

import pytest

from tests.meta.tree import python_files, short

# A code, then a reason in words; the examples are in the test below.
SUPPRESSION = re.compile(r"#\s*(?:noqa|type:\s*ignore|pragma:\s*no)\b.*")
WITH_CODE = r"noqa:\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*|type:\s*ignore\[[\w, -]+\]|pragma:\s*no \w+"
WITH_REASON = re.compile(rf"#\s*(?:{WITH_CODE})\s*(?:[-#:]|--)+\s*\w+.*\w+")


def problems(text: str) -> list[str]:
    """Suppressions in `text` without a code or without a reason, with their line numbers."""
    found = ((number, SUPPRESSION.search(line)) for number, line in enumerate(text.splitlines(), 1))
    return [f"{number}: {match.group()}" for number, match in found if match and not WITH_REASON.match(match.group())]


@pytest.mark.parametrize(
    ("line", "is_fine"),
    [
        ("x = 1  # noqa: S603 - our own command, no shell", True),
        ("x = 1  # noqa: S603, S607 - our own command", True),
        ("x = 1  # type: ignore[misc]  # grpc publishes no types", True),
        ("x = 1  # type: ignore[misc] - grpc publishes no types", True),
        ("x = 1  # noqa", False),
        ("x = 1  # noqa: S603", False),
        ("x = 1  # type: ignore", False),
        ("x = 1  # type: ignore[misc]", False),
        ("x = 1  # an ordinary comment", True),
    ],
)
def test_the_rule_itself(line: str, is_fine: bool) -> None:
    """A suppression passes only with both a code and a reason."""
    assert (problems(line) == []) is is_fine


def test_every_suppression_has_a_code_and_a_reason() -> None:
    """No file switches a rule off silently."""
    found = [
        f"{short(path)}:{problem}"
        for path in python_files("gateway", "scripts", "tests", "loadtests")
        if path.name != "test_suppressions.py"
        for problem in problems(path.read_text("utf-8"))
    ]
    assert not found, "write `# noqa: CODE - reason` or `# type: ignore[code]  # reason`:\n" + "\n".join(found)
