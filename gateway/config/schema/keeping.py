"""The section about answers kept to be continued: responses.

Rules:
    - What is kept is bounded in time and in size: of one answer, of one key, and in all.

Not here: keeping (service/responses.py).
"""

from gateway.config.schema.base import Section, setting

MIB = 1024 * 1024


class Responses(Section):
    """Answers of `/v1/responses`, and of gRPC calls that ask for it, kept in the memory of a service."""

    retention_s: float = setting(3600.0, "How long an answer is kept.", unit="seconds", ge=0, le=30 * 86_400)
    answer_max_bytes: int = setting(
        4 * MIB, "Largest answer with its input that is kept; 0 = none is.", unit="bytes", ge=0, le=4 * MIB
    )
    key_max_bytes: int = setting(
        16 * MIB, "Kept answers of one key; its oldest make room.", unit="bytes", ge=0, le=1024 * MIB
    )
    total_max_bytes: int = setting(
        64 * MIB, "Kept answers of all keys; the oldest make room.", unit="bytes", ge=0, le=64 * 1024 * MIB
    )
