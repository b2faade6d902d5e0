"""The two ways in which a request can fail, kept apart because tests treat them differently."""


class RefusalError(Exception):
    """The request is understood and turned down, as a real server would turn it down.

    Args:
        message: What the client gets to read.
        status: The HTTP status of the answer. Defaults to 200, which is how GraphQL reports
            an error that is no fault of the transport; the client does not retry it.
    """

    def __init__(self, message: str, status: int = 200) -> None:
        super().__init__(message)
        self.status = status


class GapError(Exception):
    """The request is something that this server does not know how to do.

    A gap must never look like an ordinary error, which the client may swallow: it is recorded,
    and the fixture fails the test that ran into it.
    """
