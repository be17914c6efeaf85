"""The exceptions of Decant: one for each kind of error that the command line has an exit code for."""


class Error(Exception):
    """Whatever went wrong; the text is one line: what, where, expected and found, what to do next."""


class InvalidArgumentError(Error, ValueError):
    """A request that makes no sense: a wrong name, type or range."""


class NotFoundError(Error, KeyError):
    """A store, an epoch or a label that is not there."""

    __str__ = Exception.__str__  # KeyError's would put the text in quotes


class MismatchError(Error):
    """Two things that must agree do not: store and dataset, view and label, state and store."""


class DataLossError(Error):
    """Bytes on disk that are damaged or missing."""


class ExhaustedError(Error):
    """No disk space, memory or file descriptors left."""


class UnavailableError(Error):
    """The environment refuses: no permission, an I/O error, another process that writes to the store."""


class CancelledError(Error):
    """Stopped on request; running again continues."""


class InternalError(Error):
    """A defect of Decant."""
