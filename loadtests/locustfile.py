"""Locust users for both protocols: whole answers, streams with their true time to first token, embeddings.

Rules:
    - What to ask, how often and as whom comes from `LOADTEST` (JSON, written by locust_run.py).
    - An answer that is not complete (no `[DONE]`, no content, a stream that ends early) is a failure.
    - Time to first token is an event of its own, of type TTFT: measured at the first content line, read line by
      line from the socket, since larger reads wait for a buffer to fill.
Not here:
    - Thresholds (locust_run); long suites with thousands of streams (suites).
"""

from __future__ import annotations

import grpc.experimental.gevent

grpc.experimental.gevent.init_gevent()

import json  # noqa: E402  # gevent comes first
import os  # noqa: E402  # same
import time  # noqa: E402  # same
from typing import Any  # noqa: E402  # same

import grpc  # noqa: E402  # same
from locust import FastHttpUser, User, between, constant, task  # noqa: E402  # same

from gateway.wire.pb import chat_pb2, inference_pb2_grpc  # noqa: E402  # same

PLAN: dict[str, Any] = json.loads(os.environ["LOADTEST"])
MIX: dict[str, int] = PLAN["mix"]
HEADERS = {"authorization": f"Bearer {PLAN['key']}"}
QUESTION = [{"role": "user", "content": "Say something of moderate length, please."}]
THINK_S = PLAN["think_s"]
WAIT = between(THINK_S / 2, THINK_S * 1.5) if THINK_S else constant(0)


class Http(FastHttpUser):
    """What HTTP users share."""

    abstract = True
    wait_time = WAIT
    name = ""

    def body(self, **more: Any) -> dict[str, Any]:
        """A chat request."""
        return {"model": PLAN["models"][self.name], "messages": QUESTION, **more}


class HttpJson(Http):
    """Whole answers."""

    name = "http_json"
    abstract, weight = name not in MIX, MIX.get(name, 1)

    @task
    def chat(self) -> None:
        """One answer, with content."""
        with self.client.post(
            "/v1/chat/completions", json=self.body(), headers=HEADERS, name=self.name, catch_response=True
        ) as reply:
            if reply.status_code != 200:
                reply.failure(f"status {reply.status_code}")
            elif not reply.json()["choices"][0]["message"]["content"]:
                reply.failure("no content")


class HttpBatch(Http):
    """Whole answers that may wait: shed with a time to come back is as good as answered."""

    name = "http_batch"
    abstract, weight = name not in MIX, MIX.get(name, 1)

    @task
    def chat(self) -> None:
        """One answer, or a refusal for load that says when to come back."""
        headers = {**HEADERS, "x-priority": "batch"}
        with self.client.post(
            "/v1/chat/completions", json=self.body(), headers=headers, name=self.name, catch_response=True
        ) as reply:
            is_shed = reply.status_code == 503 and "retry-after" in reply.headers
            if is_shed:
                reply.success()
            elif reply.status_code != 200:
                reply.failure(f"status {reply.status_code}")


class HttpSse(Http):
    """Streams."""

    name = "http_sse"
    abstract, weight = name not in MIX, MIX.get(name, 1)

    @task
    def chat(self) -> None:
        """One stream to its `[DONE]`."""
        started_s = time.perf_counter()
        body = self.body(stream=True, stream_options={"include_usage": True})
        with self.client.post(
            "/v1/chat/completions", json=body, headers=HEADERS, name=self.name, stream=True, catch_response=True
        ) as reply:
            if reply.status_code != 200:
                reply.failure(f"status {reply.status_code}")
                return
            is_done = self._read(reply, started_s)
            # Locust's clock stopped at the head: the request lasts until its last line.
            reply.request_meta["response_time"] = (time.perf_counter() - started_s) * 1000
            if not is_done:
                reply.failure("no [DONE]")

    def _read(self, reply: Any, started_s: float) -> bool:
        has_content = False
        while line := reply.stream.readline(b"\n"):
            if line.startswith(b"data: [DONE]"):
                reply.stream.read()
                return has_content
            if not has_content and b'"content":"' in line and b'"content":""' not in line:
                has_content = True
                first_token(self.environment, self.name, started_s)
        return False


class HttpEmbeddings(Http):
    """Embeddings."""

    name = "http_embeddings"
    abstract, weight = name not in MIX, MIX.get(name, 1)

    @task
    def embed(self) -> None:
        """One vector."""
        body = {"model": PLAN["models"][self.name], "input": "a sentence"}
        with self.client.post(
            "/v1/embeddings", json=body, headers=HEADERS, name=self.name, catch_response=True
        ) as reply:
            if reply.status_code != 200:
                reply.failure(f"status {reply.status_code}")
            elif not reply.json()["data"][0]["embedding"]:
                reply.failure("no vector")


class Grpc(User):
    """What gRPC users share: a channel of their own."""

    abstract = True
    wait_time = WAIT
    name = ""

    def on_start(self) -> None:
        """Connect."""
        options = (("grpc.use_local_subchannel_pool", 1),)
        self.channel = grpc.insecure_channel(PLAN["grpc"], options=options)
        self.stub = inference_pb2_grpc.InferenceStub(self.channel)
        self.metadata = tuple(HEADERS.items())

    def on_stop(self) -> None:
        """Disconnect."""
        self.channel.close()

    def request(self) -> chat_pb2.ChatRequest:
        """A chat request."""
        asked: chat_pb2.ChatRequest = chat_pb2.ChatRequest(model=PLAN["models"][self.name])
        asked.messages.add(role="user").blocks.add(text=QUESTION[0]["content"])
        return asked

    def tell(self, started_s: float, error: Exception | None = None) -> None:
        """Report one call."""
        self.environment.events.request.fire(
            request_type="gRPC",
            name=self.name,
            response_time=(time.perf_counter() - started_s) * 1000,
            response_length=0,
            exception=error,
            context={},
        )


class GrpcUnary(Grpc):
    """Whole answers."""

    name = "grpc_unary"
    abstract, weight = name not in MIX, MIX.get(name, 1)

    @task
    def chat(self) -> None:
        """One answer."""
        started_s = time.perf_counter()
        try:
            reply = self.stub.Chat(self.request(), metadata=self.metadata, timeout=60)
            self.tell(started_s, None if reply.choices else ValueError("no choice"))
        except grpc.RpcError as error:
            self.tell(started_s, error)


class GrpcStream(Grpc):
    """Streams."""

    name = "grpc_stream"
    abstract, weight = name not in MIX, MIX.get(name, 1)

    @task
    def chat(self) -> None:
        """One stream; only status OK ends it well."""
        started_s, chunks = time.perf_counter(), 0
        try:
            for chunk in self.stub.StreamChat(self.request(), metadata=self.metadata, timeout=60):
                is_text = any(block.text for choice in chunk.choices for block in choice.delta.blocks)
                chunks += is_text
                if is_text and chunks == 1:
                    first_token(self.environment, self.name, started_s)
            self.tell(started_s, None if chunks else ValueError("no content"))
        except grpc.RpcError as error:
            self.tell(started_s, error)


def first_token(environment: Any, name: str, started_s: float) -> None:
    """Report the time to the first content."""
    environment.events.request.fire(
        request_type="TTFT",
        name=name,
        response_time=(time.perf_counter() - started_s) * 1000,
        response_length=0,
        exception=None,
        context={},
    )
