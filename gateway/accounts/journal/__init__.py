"""What calls used, written down before anybody answers for it: files first, the database in batches."""
