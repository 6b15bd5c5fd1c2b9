"""The short profiles of the load scenarios."""
