"""Answers that are given again, and answers that several calls read at the same time."""
