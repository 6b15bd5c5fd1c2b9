"""What several services of one gateway share beside their configuration: a Valkey or Redis server."""
