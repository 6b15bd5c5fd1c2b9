"""The matrix of official SDKs and upstream formats: what a row is, and every row there is.

Rules: a row is one operation of one SDK, whole or streamed, at one upstream format; the same table makes the rows of
    Python and of Node; none is skipped: what a format cannot carry is refused, and the row says with which word.
Not here: the test that runs them (tests/e2e/test_sdk_matrix.py).
"""
