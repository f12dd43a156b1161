"""What can go wrong, by whose move is next."""


class EndpointError(Exception):
    """Something that is told in one sentence, without a traceback."""

    exit_code = 1


class UsageError(EndpointError):
    """The operator's move: what was asked for cannot be meant."""

    exit_code = 2


class ConfigError(EndpointError):
    """The operator's move: the configuration cannot be used."""

    exit_code = 78


class StoreError(EndpointError):
    """The database's move: it is gone, full or too busy; the same again later."""

    def __init__(self, message: str, *, of_the_data: bool = False) -> None:
        super().__init__(message)
        self.of_the_data = of_the_data
        """Whether it is what was written that the database does not like."""


class RefusedError(EndpointError):
    """The sender's move: a request cannot be taken as it is; becomes the answer."""

    def __init__(self, status: int, detail: str, errors: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors
        """JSON pointers into the request's body, each with what is wrong there."""


class LaterError(RefusedError):
    """The sender's move, later: 429 or 503."""

    def __init__(self, status: int, detail: str, retry_after_s: int) -> None:
        super().__init__(status, detail)
        self.retry_after_s = retry_after_s
