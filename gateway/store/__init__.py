"""What a gateway keeps outside its processes: a Valkey or Redis server, a database."""
