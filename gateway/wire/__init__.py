"""Bytes to messages and back: generated protobuf, server-sent events, lossless JSON. Pure."""
