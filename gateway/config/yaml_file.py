"""One YAML file: its text, the line of every key, and the mistakes that can be seen without a schema.

Rules:
    - The text is read once; lines and values come from the same bytes.
    - Refused here: what YAML or Dynaconf would silently bend - duplicate keys, `@` values, `dynaconf_*` keys,
      dots and double underscores in top-level keys, several documents, a file without content.

Not here: the values (load.py reads them with Dynaconf); the schema.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path as FilePath

import yaml

from gateway.config.problems import Path, Problem, dotted

ENDLESS = "an alias that contains itself"
TAGGED = "a value with a tag of its own"
DEEP = "nested too deeply"
UNREADABLE = (ENDLESS, TAGGED)
DEPTH_MAX = 40
TAGS = {
    f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp", "merge")
}
Loader: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(slots=True)
class YamlFile:
    """What was read. `is_broken` means the values cannot be told; other problems leave them readable."""

    shown: str
    text: str = ""
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    is_broken: bool = False

    def locate(self, path: Path) -> tuple[str, int | None]:
        """File and line of `path`; the line of the nearest thing above it when the path itself has none."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return self.shown, self.lines[path[:length]]
        return self.shown, None


def read(path: FilePath, shown: str) -> YamlFile:
    """Read and look over one file. Never raises: what is wrong stands in `problems`."""
    found = YamlFile(shown)
    _read_into(found, path)
    found.is_broken = bool(found.problems) and not found.text
    return found


def _read_into(found: YamlFile, path: FilePath) -> None:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        found.problems.append(Problem(found.shown, None, "", "UTF-8 text", f"byte {error.object[error.start]:#04x}"))
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        found.problems.append(Problem(found.shown, None, "", found=f"cannot be read: {reason}"))
    else:
        if text.strip():
            _look_over(found, text)
        else:
            found.problems.append(
                Problem(found.shown, None, "", found="the file is empty", hint="remove it, or write {}")
            )


def _look_over(found: YamlFile, text: str) -> None:
    try:
        deep_line = _deep_line(text)
        root = None if deep_line else yaml.compose(text, Loader=Loader)
    except yaml.MarkedYAMLError as error:
        found.problems.append(_syntax(found.shown, text, error))
        return
    except yaml.YAMLError as error:
        found.problems.append(Problem(found.shown, None, "", found=f"not YAML: {str(error).splitlines()[0]}"))
        return
    if deep_line:
        found.problems.append(Problem(found.shown, deep_line, "", found=DEEP, hint=f"at most {DEPTH_MAX} levels"))
        return
    if root is None:
        return
    if not isinstance(root, yaml.MappingNode):
        kind = "a list" if isinstance(root, yaml.SequenceNode) else "a single value"
        found.problems.append(Problem(found.shown, root.start_mark.line + 1, "", "a map of sections", kind))
        return
    found.problems.extend(_walk(found, root, (), ()))
    found.text = "" if any(problem.found in UNREADABLE for problem in found.problems) else text


def _deep_line(text: str) -> int | None:
    """The line where nesting becomes too deep; looked for without recursion, since libyaml overflows the stack."""
    depth = 0
    for event in yaml.parse(text, Loader=Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEPTH_MAX:
            return event.start_mark.line + 1 if event.start_mark else 1
    return None


def _syntax(shown: str, text: str, error: yaml.MarkedYAMLError) -> Problem:
    try:
        yaml.compose(text, Loader=yaml.SafeLoader)  # the pure reader: same words with and without libyaml
    except yaml.MarkedYAMLError as plain:
        error = plain
    mark = error.problem_mark or error.context_mark
    line = mark.line if mark else 0
    words, hint = error.problem or "unreadable", ""
    rows = text.splitlines()
    if "\t" in (rows[line] if line < len(rows) else "") and "cannot start any token" in words:
        words, hint = "a tab in the indentation", "use spaces"
    elif "single document" in (error.context or ""):
        words, hint = "more than one document", "remove the `---` between them"
    elif "block end" in words or "mapping values" in words:
        words, hint = "the indentation does not fit the lines above", "keys of one map begin in one column"
    elif "expected ',' or" in words or "node content" in words:
        words, hint = "a bracket or brace that is not closed", "close it, or write one item per line"
    return Problem(shown, line + 1, "", found=f"not YAML: {words}", hint=hint)


def _walk(found: YamlFile, node: yaml.Node, path: Path, above: tuple[yaml.Node, ...]) -> Iterator[Problem]:
    if node in above:
        yield Problem(found.shown, node.start_mark.line + 1, dotted(path), found=ENDLESS)
    elif node.tag not in TAGS:
        hint = f"remove {node.tag.replace('tag:yaml.org,2002:', '!!')}"
        yield Problem(found.shown, node.start_mark.line + 1, dotted(path), found=TAGGED, hint=hint)
    elif isinstance(node, yaml.MappingNode):
        yield from _walk_map(found, node, path, (*above, node))
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            found.lines[(*path, index)] = item.start_mark.line + 1
            yield from _walk(found, item, (*path, index), (*above, node))
    elif node.value.startswith("@"):
        yield Problem(
            found.shown,
            node.start_mark.line + 1,
            dotted(path),
            found=f"a value that begins with {node.value.split()[0]}",
            hint="values are not evaluated here; write the value itself, or a secret as {env: NAME}",
        )


def _walk_map(found: YamlFile, node: yaml.MappingNode, path: Path, above: tuple[yaml.Node, ...]) -> Iterator[Problem]:
    seen: dict[str, tuple[str, int]] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            yield Problem(found.shown, line, dotted(path), "a text as key", "a map or list as key")
            continue
        name = key.value
        here = (*path, name)
        if name.lower() in seen:
            first, first_line = seen[name.lower()]
            again = "written twice" if first == name else f'the same key as "{first}"'
            yield Problem(found.shown, line, dotted(here), found=again, hint=f"it stands in line {first_line} already")
        elif (refusal := _refused(name, path)) is not None:
            yield Problem(found.shown, line, dotted(here), found=refusal[0], hint=refusal[1])
        seen.setdefault(name.lower(), (name, line))
        found.lines[here] = line
        if name != "<<":
            yield from _walk(found, value, here, above)


def _refused(name: str, path: Path) -> tuple[str, str] | None:
    if name.lower().startswith("dynaconf"):
        return "is a command to Dynaconf, not a setting", "remove it: maps merge deeply, lists replace"
    if not path and ("." in name or "__" in name):
        return "a path as key", "nest it: one name per level"
    return None
