"""The one kind of error a user can cause."""


class InputError(Exception):
    """The user's input cannot be used; the message is one sentence that says what to do (exit code 2)."""
