"""The section about operators: admin.

Rules:
    - Unset means that nobody but keys with `is_admin` may ask; there is no default credential.

Not here: what can be asked (service/admin.py).
"""

from gateway.config.schema.base import SecretValue, Section, setting


class Admin(Section):
    """Who may ask a running service about its routing."""

    key: SecretValue | None = setting(
        None,
        "Credential of the Admin service and `/admin/`; unset = only keys with `is_admin`. Also `GATEWAY_ADMIN_KEY`.",
    )
