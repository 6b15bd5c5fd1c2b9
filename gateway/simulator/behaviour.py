"""A model name read as the behaviour it asks for: `sim-chunks-64-pace-50` is 64 chunks, one each 50 ms.

A name is `sim`, then options joined by dashes, in any order; each option is a word and its whole numbers. Anything
before the last `/` is skipped. Names that start with neither `sim` nor `bench` behave as plain `sim`.

- text: `chunks-N`, `tools-N`, `script-NAME`, `refusal`, `reasoning`, `length`, `filter`, `empty`, `context-N`,
  `noprefill`
- usage: `nousage`, `usage-each`, `mode-WORD`
- clocks: `pace-MS`, `first-MS`, `wait-MS`, `slow-headers-MS`, `stall-N-MS`, `silent`, `scale-PERCENT`
- statuses: `status-NNN`, `after-S`, `flagged`, `redirect`, `html`
- connections: `cut-N`, `cut-before-headers`, `reset-N`, `reset-before-headers`, `badchunk-N`, `garbage`, `close`,
  `hangup`
- streams: `prelude`, `nodone`, `malformed-N`, `error-N`, `nan`, `badutf8`, `extra`, `huge-chunk-MB`, `huge-body-MB`
- bytes: `bytes-N`, `crlf`, `cr`, `bom`, `comments`, `nospace`, `multiline`, `gzip`
- how often: `once`, `times-N`, `every-N`, `down-S`; `tag-WORD` changes nothing but the name (own counters)
- FailoverBench: `s01` to `s16`, each an abbreviation of options above (see `FAILOVER_BENCH`)
- load: `bench`, `bench-slow-N-MS`, `bench-wait-MS`: canned bytes, nothing computed

Rules:
- Pure: the same name is the same Behaviour, always; what was counted before is an argument (`at`).
- An unknown option is an error (UnknownOption), so that a typo in a test is no healthy answer.
- Every number is bounded; every duration is in milliseconds and multiplied by `scale` once, here.

Not here: what a behaviour looks like on a wire (openai.py, frames.py), and doing it (play.py).
"""

import sys
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from typing import Any, NamedTuple

from gateway.simulator.script import Turn

MOST = {"MS": 3_600_000, "S": 86_400, "MB": 256}
MOST_OTHERS = 100_000


class UnknownOption(ValueError):
    """The model name holds a word that is no option, or an option without its number."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong, or late; all of it is off in a healthy answer. Chunk numbers count content chunks from 1."""

    status: int = 0
    retry_after_ms: int = 0
    is_flagged: bool = False
    is_redirect: bool = False
    is_html: bool = False
    context_tokens: int | None = None
    refuses_prefill: bool = False
    wait_ms: int = 0
    first_ms: int = 0
    slow_headers_ms: int = 0
    is_silent: bool = False
    is_cut_before_headers: bool = False
    is_reset_before_headers: bool = False
    is_garbage: bool = False
    cut_after_chunks: int | None = None
    reset_after_chunks: int | None = None
    badchunk_after_chunks: int | None = None
    stall_after_chunks: int | None = None
    stall_ms: int = 0
    malformed_chunk: int | None = None
    error_after_chunks: int | None = None
    is_done_omitted: bool = False
    is_nan: bool = False
    is_bad_utf8: bool = False
    huge_chunk_mb: int = 0
    huge_body_mb: int = 0
    is_down: bool = False


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What one model name asks for."""

    chunks: int | None = None
    tools: int | None = None
    is_refusal: bool = False
    is_reasoning: bool = False
    is_length: bool = False
    is_filtered: bool = False
    is_empty: bool = False
    is_usage_omitted: bool = False
    is_usage_in_each: bool = False
    has_prelude: bool = False
    has_extra: bool = False
    pace_ms: int = 0
    bytes_per_write: int = 0
    is_crlf: bool = False
    is_cr: bool = False
    has_bom: bool = False
    has_comments: bool = False
    is_nospace: bool = False
    is_multiline: bool = False
    is_gzip: bool = False
    is_closing: bool = False
    is_hanging_up: bool = False
    is_bench: bool = False
    mode: str = ""
    script: str = ""
    turn: Turn | None = None
    """The turn of the script this request gets; the server looks it up."""
    times: int | None = None
    every: int | None = None
    down_ms: int = 0
    scale_percent: int = 100
    fault: Fault = field(default_factory=Fault)

    def at(self, attempt: int, ms_since_first: float) -> "Behaviour":
        """Return what applies to the attempt (1, 2, ... for this model name) that came so long after the first one."""
        if self.down_ms:
            is_down = ms_since_first < self.down_ms
            return replace(self, fault=replace(self.fault, status=503, is_down=True) if is_down else Fault())
        if self.times is not None and attempt > self.times:
            return replace(self, fault=Fault())
        if self.every is not None and attempt % self.every:
            return replace(self, fault=Fault())
        return self


class Option(NamedTuple):
    """One word of a model name: what it sets, from which numbers, and the sentence that documents it."""

    word: str
    numbers: tuple[str, ...]
    sets: tuple[str, ...]
    says: str
    default: int | None = None
    """The number that is meant when the name gives none; None: it must be given (`True` when there are no numbers)."""
    factor: int = 1


OPTIONS = (
    Option("chunks", ("N",), ("chunks",), "the text has exactly N words, each one chunk of a stream"),
    Option(
        "tools", ("N",), ("tools",), "answers with N tool calls: the request's tools in turn, else invented ones", 1
    ),
    Option("script", ("NAME",), ("script",), "answers with the turns of a script handed in before (see below)"),
    Option("refusal", (), ("is_refusal",), "answers with `refusal` instead of content"),
    Option("reasoning", (), ("is_reasoning",), "`reasoning_content` before the content"),
    Option("length", (), ("is_length",), "ends with finish reason `length`"),
    Option("filter", (), ("is_filtered",), "ends with finish reason `content_filter`"),
    Option("empty", (), ("is_empty",), "the content is the empty string"),
    Option("nousage", (), ("is_usage_omitted",), "never reports usage, also when asked"),
    Option("usage-each", (), ("is_usage_in_each",), "usage so far in every chunk of a stream, and no chunk of its own"),
    Option("mode", ("WORD",), ("mode",), "says that it was processed in this mode (`flex`, `priority`), asked or not"),
    Option("prelude", (), ("has_prelude",), "a stream begins with a chunk without choices, as Azure's do"),
    Option("context", ("N",), ("context_tokens",), "400 `context_length_exceeded` for a prompt of more than N tokens"),
    Option("noprefill", (), ("refuses_prefill",), "400 when the last message is the assistant's"),
    Option("pace", ("MS",), ("pace_ms",), "MS between two content chunks"),
    Option(
        "first",
        ("MS",),
        ("first_ms",),
        "a stream's headers come at once, its first chunk after MS; an answer that is no stream comes after MS",
    ),
    Option("wait", ("MS",), ("wait_ms",), "an answer that is no stream starts after MS"),
    Option("slow-headers", ("MS",), ("slow_headers_ms",), "headers after MS, stream or not", 1000),
    Option(
        "stall",
        ("N", "MS"),
        ("stall_after_chunks", "stall_ms"),
        "after N chunks (or half the body) silence for MS, then on",
    ),
    Option("silent", (), ("is_silent",), "takes the request and never answers (gives up after 600 s)"),
    Option("scale", ("PERCENT",), ("scale_percent",), "all durations are PERCENT of what they say"),
    Option("status", ("NNN",), ("status",), "answers with this HTTP status and the format's error body"),
    Option("after", ("S",), ("retry_after_ms",), "`retry-after` of S seconds on the error", None, 1000),
    Option("flagged", (), ("is_flagged",), "400 `content_filter`: the prompt is refused by a policy"),
    Option("redirect", (), ("is_redirect",), "307 to `/_sim/redirected` (followers are counted)"),
    Option("html", (), ("is_html",), "200 with an HTML page"),
    Option("cut", ("N",), ("cut_after_chunks",), "closes the connection after N chunks (or half the body)"),
    Option("cut-before-headers", (), ("is_cut_before_headers",), "closes the connection without an answer"),
    Option("reset", ("N",), ("reset_after_chunks",), "resets (RST) the connection after N chunks (or half the body)"),
    Option("reset-before-headers", (), ("is_reset_before_headers",), "resets (RST) the connection without an answer"),
    Option("garbage", (), ("is_garbage",), "bytes that are no HTTP, then closes"),
    Option("badchunk", ("N",), ("badchunk_after_chunks",), "breaks the chunked transfer coding after N chunks", 1),
    Option("close", (), ("is_closing",), "`Connection: close` after the answer"),
    Option("hangup", (), ("is_hanging_up",), "closes the kept connection after a whole answer, unannounced"),
    Option("nodone", (), ("is_done_omitted",), "the stream ends without its end marker (`[DONE]`)"),
    Option("malformed", ("N",), ("malformed_chunk",), "chunk N (or the body) is cut-off JSON", 1),
    Option("error", ("N",), ("error_after_chunks",), "an error event after N chunks, then the end", 1),
    Option("nan", (), ("is_nan",), "JSON with a bare `NaN`, which no standard allows"),
    Option("badutf8", (), ("is_bad_utf8",), "text with bytes that are no UTF-8"),
    Option("extra", (), ("has_extra",), "unknown members in every object: null, a 70-bit integer, nested ones"),
    Option("huge-chunk", ("MB",), ("huge_chunk_mb",), "the first chunk is MB megabytes long", 8),
    Option("huge-body", ("MB",), ("huge_body_mb",), "an answer that is no stream is MB megabytes long", 32),
    Option("bytes", ("N",), ("bytes_per_write",), "writes N bytes at a time", 1),
    Option("crlf", (), ("is_crlf",), "event lines end with CRLF"),
    Option("cr", (), ("is_cr",), "event lines end with CR"),
    Option("bom", (), ("has_bom",), "a byte order mark before the stream"),
    Option(
        "comments", (), ("has_comments",), "a comment before each event, and every 100 ms of waiting after the headers"
    ),
    Option("nospace", (), ("is_nospace",), "`data:` without a space"),
    Option("multiline", (), ("is_multiline",), "each event's JSON stands on several `data:` lines"),
    Option("gzip", (), ("is_gzip",), "compresses with gzip, asked or not"),
    Option("once", (), ("times",), "faults and delays in the first attempt only", 1),
    Option("times", ("N",), ("times",), "faults and delays in the first N attempts only"),
    Option("every", ("N",), ("every",), "faults and delays in every N-th attempt only"),
    Option("down", ("S",), ("down_ms",), "503 for S seconds from the first attempt on, then healthy", None, 1000),
    Option("tag", ("WORD",), (), "nothing: a model name (and so counters) of its own"),
)

FAILOVER_BENCH = {
    "s01": ("status-429-after-2", "429 with Retry-After"),
    "s02": ("status-429", "429 without Retry-After"),
    "s03": ("status-500-once", "500 once"),
    "s04": ("status-503", "503 always"),
    "s05": ("reset-before-headers", "connection reset before headers"),
    "s06": ("silent", "silence"),
    "s07": ("first-20000", "first token after 20 s"),
    "s08": ("chunks-60-cut-40", "cut after 40 of 60 tokens"),
    "s09": ("chunks-60-stall-30-30000", "stall of 30 s in mid-stream"),
    "s10": ("chunks-60-malformed-30", "malformed chunk"),
    "s11": ("chunks-60-nodone", "no [DONE]"),
    "s12": ("context-0", "context length exceeded"),
    "s13": ("flagged", "content filter refuses the prompt"),
    "s14": ("chunks-60-cut-40-noprefill", "cut after 40 of 60 tokens, and prefill refused (fallback: sim-noprefill)"),
    "s15": ("down-60", "down for 60 s"),
    "s16": ("status-503", "503 always; the accounting has to name the fallback"),
}

_BY_WORD = {tuple(option.word.split("-")): option for option in OPTIONS}
_LONGEST_WORD = max(map(len, _BY_WORD))
_FAULT_FIELDS = {item.name for item in fields(Fault)}


@lru_cache(maxsize=4096)
def parse(model: str) -> Behaviour:
    """Return the behaviour a model name asks for. Raises UnknownOption, saying which word is not understood."""
    base, *words = model.rsplit("/", 1)[-1].split("-")
    if base == "bench":
        return _parse_bench(words)
    if base != "sim":
        return Behaviour()
    found: dict[str, Any] = {}
    _read(words, found)
    if not 200 <= found.get("status", 200) <= 599:
        raise UnknownOption("the simulator's option 'status' needs a number from 200 to 599")
    scale = found.get("scale_percent", 100)
    scaled = {name: value * scale // 100 if name.endswith("_ms") else value for name, value in found.items()}
    fault = Fault(**{name: value for name, value in scaled.items() if name in _FAULT_FIELDS})
    return Behaviour(fault=fault, **{name: value for name, value in scaled.items() if name not in _FAULT_FIELDS})


def _read(words: list[str], found: dict[str, Any]) -> None:
    at = 0
    while at < len(words):
        if words[at] in FAILOVER_BENCH:
            _read(FAILOVER_BENCH[words[at]][0].split("-"), found)
            at += 1
            continue
        option, at = _option_at(words, at)
        if option.numbers in (("WORD",), ("NAME",)):
            found.update(dict.fromkeys(option.sets, words[at] if at < len(words) else ""))
            at += 1
        elif not option.numbers:
            found.update(dict.fromkeys(option.sets, option.default or True))
        else:
            at = _read_numbers(option, words, at, found)


def _option_at(words: list[str], at: int) -> tuple[Option, int]:
    for length in range(_LONGEST_WORD, 0, -1):
        if option := _BY_WORD.get(tuple(words[at : at + length])):
            return option, at + length
    raise UnknownOption(f"the simulator knows no option {words[at]!r}")


def _read_numbers(option: Option, words: list[str], at: int, found: dict[str, Any]) -> int:
    for name, unit in zip(option.sets, option.numbers or ("N",), strict=True):
        if at < len(words) and words[at].isascii() and words[at].isdigit():
            found[name] = min(int(words[at][:9]), MOST.get(unit, MOST_OTHERS)) * option.factor
            at += 1
        elif option.default is not None:
            found[name] = option.default
        else:
            raise UnknownOption(f"the simulator's option {option.word!r} needs a number: {_spelling(option)}")
    return at


def _parse_bench(words: list[str]) -> Behaviour:
    numbers = [min(int(word[:9]), MOST_OTHERS) for word in words[1:] if word.isascii() and word.isdigit()]
    if words[:1] == ["slow"] and len(numbers) >= 2:
        return Behaviour(is_bench=True, chunks=numbers[0], pace_ms=numbers[1])
    if words[:1] == ["wait"] and numbers:
        return Behaviour(is_bench=True, fault=Fault(wait_ms=numbers[0]))
    return Behaviour(is_bench=True)


def _spelling(option: Option) -> str:
    if option.default is not None and option.numbers:
        return f"{option.word}[-{'-'.join(option.numbers)}]"
    return "-".join([option.word, *option.numbers])


def table() -> str:
    """Return the Markdown tables of every option and every FailoverBench name, for the documentation."""
    rows = ["| option | what it does | default |", "|---|---|---|"]
    rows += [
        f"| `{_spelling(option)}` | {option.says} | {option.default if option.numbers and option.default else ''} |"
        for option in OPTIONS
    ]
    rows += ["", "| name | is short for | fault |", "|---|---|---|"]
    rows += [f"| `sim-{name}` | `sim-{short}` | {says} |" for name, (short, says) in FAILOVER_BENCH.items()]
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table())
