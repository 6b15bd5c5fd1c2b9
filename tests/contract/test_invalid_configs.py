"""Every wrong configuration in `invalid/` prints exactly the messages that stand beside it.

A case file holds the files of a working root: a line `#: PATH` begins each one, `#: environ` begins variables.
After PATH may stand `directory`, `link` (dangling) or `latin-1`.
"""

from pathlib import Path

import pytest

from gateway.config.load import load
from gateway.config.problems import ConfigErrors
from gateway.config.sources import locate

CASES = sorted((Path(__file__).parent / "invalid").glob("*.case"))
HEADER = "#: "


def lay_out(case: Path, root: Path) -> dict[str, str]:
    """Write the files of a case under `root`; give its variables."""
    environ = {}
    for part in ("\n" + case.read_text(encoding="utf-8")).split(f"\n{HEADER}")[1:]:
        header, _, text = part.partition("\n")
        if header == "environ":
            environ = dict(line.split("=", 1) for line in text.splitlines() if line)
        else:
            write(root, header, text)
    return environ


def write(root: Path, header: str, text: str) -> None:
    """One file of a case."""
    name, _, kind = header.partition(" ")
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "directory":
        path.mkdir()
    elif kind == "link":
        path.symlink_to("nowhere.yaml")
    else:
        path.write_text(text, encoding=kind or "utf-8")


def messages(case: Path, root: Path) -> str:
    """What loading the case says; empty when nothing is wrong."""
    environ = lay_out(case, root)
    try:
        load(root, environ=environ)
    except ConfigErrors as errors:
        shipped = str(locate(root, environ).shipped_dir)
        return "".join(f"{problem}\n" for problem in errors.problems).replace(shipped, "SHIPPED")
    return ""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_prints_exactly_the_expected_messages(case: Path, tmp_path: Path) -> None:
    """The real loader says what the `.expected` file holds, word for word."""
    assert messages(case, tmp_path) == case.with_suffix(".expected").read_text(encoding="utf-8")


def test_there_are_cases_and_each_has_its_expectation() -> None:
    """No case without messages, no messages without a case."""
    expected = {path.stem for path in CASES[0].parent.glob("*.expected")}
    assert expected == {case.stem for case in CASES}
    assert len(CASES) >= 40


def test_no_message_repeats_a_secret() -> None:
    """Whatever is wrong, the secrets written in the cases are not in the messages (which are exact, see above)."""
    said = "".join(case.with_suffix(".expected").read_text(encoding="utf-8") for case in CASES)
    written = "".join(case.read_text(encoding="utf-8") for case in CASES)
    for secret in ("sk-live", "hunter2", "correct-horse", "1234567890", "gw-dev."):
        assert secret in written
        assert secret not in said
