from gateway.wire.pb import chat_pb2 as _chat_pb2
from gateway.wire.pb import completions_pb2 as _completions_pb2
from gateway.wire.pb import embeddings_pb2 as _embeddings_pb2
from gateway.wire.pb import models_pb2 as _models_pb2
from gateway.wire.pb import responses_pb2 as _responses_pb2
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor
