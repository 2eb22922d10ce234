"""The one exception that reaches a user as a sentence."""

from __future__ import annotations


class UserError(Exception):
    """Something the user can mend. The message says what is wrong, where, and what to do, in one sentence.

    The command line prints the message without a traceback and exits with code 2.
    """
