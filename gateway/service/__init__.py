"""The gRPC edge and the dispatch behind every way in."""
