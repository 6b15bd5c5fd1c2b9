"""The Accounts service: who may ask what of the accounts, and records as messages."""
