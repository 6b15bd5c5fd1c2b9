"""The benchmark: what the gateway costs per request, chunk and stream, beside a pace car in the same run."""
