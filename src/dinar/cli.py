"""The program: it finds the command, parses its words, and turns errors and signals into exit codes."""

from __future__ import annotations

import errno
import gc
import io
import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from typing import NoReturn

import tyro

from dinar.errors import InputError

COMMANDS = {
    "create": "create.create",
    "fit": "create.fit",
    "merge": "painting.merge",
    "inpaint": "painting.repaint",
    "animate": "drawing.animate",
    "alive": "drawing.alive",
    "speak": "speaking.speak",
    "motion": "motions.convert",
    "render": "drawing.render",
    "export": "exporting.export",
    "view": "viewing.view",
    "serve": "serving.serve",
    "mcp": "assisting.assist",
    "synth": "training.synth",
    "evaluate": "evaluating.evaluate",
    "train": "training.train",
    "doctor": "doctor.examine",
}
"""Command -> its function in `dinar.commands`."""


def command(name: str) -> Callable[..., None]:
    """The function behind a command; its module is imported now."""
    module, function = COMMANDS[name].split(".")
    return getattr(import_module(f"dinar.commands.{module}"), function)


def _open_streams() -> None:
    """Output that is closed goes nowhere; what a narrow encoding or a name that is no text lacks is written escaped."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 (it lives as long as the program)
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _closed_on_windows(error: OSError) -> bool:
    """Whether output went into a pipe that nobody reads, which Windows calls an invalid argument of no file."""
    return sys.platform == "win32" and error.errno == errno.EINVAL and error.filename is None


def main() -> NoReturn:
    """Runs what was typed. Exit code 0; 2 for a user's mistake, with one line on stderr; 130 after Ctrl-C."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))     # an exception, so that half-written files are removed
    _open_streams()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")   # what NumPy is given is small: two wait for each other longest
    gc.set_threshold(200_000)   # else looking for cycles takes a fifth of what torch takes to load
    sys.setswitchinterval(5e-4)   # seconds; else a thread that computes waits long for one that runs Python
    try:
        words = sys.argv[1:]
        if words == ["--version"]:
            from importlib.metadata import version

            print(f"dinar {version('dinar')}")
            sys.exit(0)
        names = words[:1] if words and words[0] in COMMANDS else COMMANDS      # one signature is read in half the time
        tyro.extras.subcommand_cli_from_dict(
            {name: command(name) for name in names},
            prog="dinar",
            description="One photo of a person in, an animatable full-body avatar out.",
        )
        sys.stdout.flush()
    except InputError as error:
        print(f"dinar: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("dinar: interrupted", file=sys.stderr)
        sys.exit(130)
    except OSError as error:                                    # `dinar doctor | head`
        if not (isinstance(error, BrokenPipeError) or _closed_on_windows(error)):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    gc.freeze()                 # else Python looks through all of torch for cycles before it ends: a second
    sys.exit(0)
