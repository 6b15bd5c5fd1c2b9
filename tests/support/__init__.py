"""What end-to-end and chaos tests share: a served gateway, a gateway in process, what the upstream saw, waiting."""
