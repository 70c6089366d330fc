"""dinar in odd places: `python tools/machines.py [--only NAME]`, one row a place.

Each place is a command with an environment of its own, run in an empty folder with model files that are there already,
or fetched from the index where that is what is tried. Right is exit code 0, or 2 with one sentence on stderr; never a
traceback, a password in any output, a file half written, or a wait for input. Places that need root are left out where
there is none. Exit code 1 where a row is wrong.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dinar.store import Store

TOP = Path(__file__).parents[1]
PHOTO = TOP / "examples" / "person.jpg"
PLAIN = ("--renderer", "texture", "--refine", "none", "--no-inpaint")
SECONDS = 300
SECRETS = ("p@ss", "p%40ss")
NOTHING: Mapping[str, str] = {}


# A package index of the folder "mirror" that wants the user u with the password p@ss/w0rd (PEP 503); it prints its port
# first.
_INDEX = """
import base64, http.server, os, re
WANTED = "Basic " + base64.b64encode(b"u:p@ss/w0rd").decode()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        part = self.path.strip("/").split("/")
        if self.headers.get("Authorization") != WANTED:
            code, body = 401, b""
        elif part[0] == "simple" and len(part) == 2:
            files = [f for f in os.listdir("mirror") if re.sub("[-_.]+", "-", f).lower().startswith(part[1] + "-")]
            code, body = 200, "".join(f'<a href="/f/{f}">{f}</a>' for f in files).encode()
        elif part[-1] in os.listdir("mirror"):
            code, body = 200, open("mirror/" + part[-1], "rb").read()
        else:
            code, body = 404, b""
        self.send_response(code)
        if code == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="x"')
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "text/html" if part[0] == "simple" else "application/octet-stream")
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""
_SERVED = (
    '{ $PYTHON -c "$INDEX" > port & index=$!; while ! test -s port; do sleep 0.2; done; '
    "export PIP_CONFIG_FILE=/dev/null PIP_FIND_LINKS= PIP_EXTRA_INDEX_URL= PIP_RETRIES=0 "
    'PIP_INDEX_URL="http://${PASSWORD:+u:$PASSWORD@}127.0.0.1:$(cat port)/simple"; }'
)
_ENDED = "code=$?; kill $index; exit $code"
# A command as a user without a name, a home or a cache, who sees this Python and these models although they may lie in
# a home that others must not enter.
_OTHER = """other() { unshare -m sh -c '
mkdir base models && mount --bind "$BASE" base && mount --bind "$DINAR_MODELS" models &&
mount -t tmpfs -o mode=755 tmpfs "$OWN" && mkdir -p "$BASE" && mount --bind base "$BASE" &&
export DINAR_MODELS=$PWD/models HOME=/nonexistent NUMBA_CACHE_DIR=/nonexistent &&
exec setpriv --reuid 12345 --regid 12345 --clear-groups "$@"' sh "$@"
}
"""
_WITHOUT_PIP = (
    "$PYTHON -m venv --without-pip v && mkdir site && "
    "for f in $($PYTHON -c \"import sysconfig; print(sysconfig.get_path('purelib'))\")/*; do "
    'case "${f##*/}" in pip|pip-*) ;; *) ln -s "$f" site/ ;; esac; done && '
    'echo "import site; site.addsitedir(\\"$PWD/site\\")" > "$(echo v/lib/python*/site-packages)/all.pth"'
)


@dataclass(frozen=True)
class Place:
    """A command and where it runs.

    name         of the row
    shell        what is run by sh, in an empty folder; $DINAR is the program, $PHOTO a photo
    environment  set beside that of this process
    root         only root can make this place
    code         exit codes that are right
    """

    name: str
    shell: str
    environment: Mapping[str, str] = field(default_factory=dict)
    root: bool = False
    code: tuple[int, ...] = (0, 2)


def places() -> Iterator[Place]:
    create = f'$DINAR create "$PHOTO" {" ".join(PLAIN)} -o'
    fetch = "env -u DINAR_MODELS DINAR_CACHE=$PWD/cache $DINAR doctor --fetch needed < /dev/null"
    for setting in (
        "PIP_ONLY_BINARY=:all:",
        "PIP_NO_BINARY=:all:",
        "PIP_REQUIRE_HASHES=1",
        "PIP_REQUIRE_VIRTUALENV=1",
        "PIP_USER=1",
        "PIP_TARGET=t",
        "PIP_PREFIX=p",
        "PIP_QUIET=3",
        "PIP_VERBOSE=3",
        "PIP_LOG=pip.log",
        "PIP_PLATFORM=win_amd64",
        "PIP_PYTHON_VERSION=39",
        "PIP_DRY_RUN=1",
        "PIP_NO_CACHE_DIR=1",
        "PIP_NO_DEPS=0",
        "PIP_PRE=1",
        "PIP_EXTRA_INDEX_URL=http://127.0.0.1:9/simple",
    ):
        name, _, value = setting.partition("=")
        yield Place(f"pip with {setting}", fetch, {name: value}, code=(0,))
    other = "printf 'mediapipe==0.10.14\nnumpy<2\n' > con.txt; PIP_CONSTRAINT=$PWD/con.txt "
    yield Place("pip with a constraint to other versions", f"{other}{fetch}", code=(0,))
    yield Place("pip without an index", fetch, {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""}, code=(2,))
    closed = {"PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": "", "PIP_RETRIES": "0", "PIP_TIMEOUT": "3"}
    closed |= {"PIP_INDEX_URL": "http://u:p%40ss@127.0.0.1:9/simple"}
    yield Place("an index that does not answer, with a password", fetch, closed, code=(2,))
    locked = f'$PYTHON -m pip download -q --no-deps -d mirror mediapipe==0.10.21 && {_SERVED} && {fetch}; {_ENDED}'
    yield Place("an index with a password", locked, {"PASSWORD": "p%40ss%2Fw0rd"}, code=(0, 2))
    locked = f"mkdir mirror && {_SERVED} && {fetch}; {_ENDED}"
    yield Place("an index with a wrong password", locked, {"PASSWORD": "p%40ss"}, code=(2,))
    yield Place("an index that asks for a password", locked, {"PASSWORD": ""}, code=(2,))
    bare = f"{_WITHOUT_PIP} && DINAR='v/bin/python -m dinar' && {fetch}"
    yield Place("a Python without pip", bare, code=(2,))
    three = f"for k in 1 2 3; do ({fetch}; echo $? > code$k) & done; wait; cat code?; ! grep -v 0 code?"
    yield Place("three first runs at once", three, code=(0,))
    first = f"env -u DINAR_MODELS DINAR_CACHE=$PWD/cache NUMBA_CACHE_DIR=$PWD/numba {create}"
    alike = "for k in 2 3; do cmp me1/texture.safetensors me$k/texture.safetensors || exit 1; done"
    three = f"for k in 1 2 3; do {first} me$k & done; wait; {alike}"
    yield Place("three first photos at once", three, code=(0,))
    parts = "for f in pyproject.toml README.md LICENSE NOTICE; do cp $TOP/$f d; done; touch d/src/dinar/__init__.py"
    for other in filter(shutil.which, ("python3.10", "python3.14")):
        told = f"! {other} -m pip install --no-deps --target t ./d > said 2>&1 && grep 'requires a different' said"
        yield Place(f"pip of {other}", f"mkdir -p d/src/dinar; {parts}; {told}", code=(0,))
    shadows = 'for m in typing token pip numpy random; do echo \'open("RAN", "a")\' > $m.py; done; '
    yield Place("files called like modules", f"{shadows}{fetch} && {create} me && test ! -e RAN", code=(0,))
    yield Place("a home that is not there", f"{create} me", {"HOME": "/nonexistent"}, code=(0,))
    yield Place("a temporary folder that is not there", f"{create} me", {"TMPDIR": "/nonexistent"}, code=(0,))
    yield Place("a user without a name or a cache", f"{_OTHER}chmod 777 . && other {create} me", root=True, code=(0,))
    locked = "mkdir ro && chmod 555 ro && chmod 755 ."
    yield Place("a folder that is read-only", f"{_OTHER}{locked} && other {create} ro/me", root=True, code=(2,))
    full = "mkdir small && mount -t tmpfs -o size=40k tmpfs small && trap 'umount small' EXIT"
    empty = 'code=$?; test -z "$(ls -A small)" && exit $code'
    yield Place("a full disk", f"{full}; {create} small/me; {empty}", root=True, code=(2,))
    full = "mkdir small && mount -t tmpfs -o size=8k tmpfs small && trap 'umount small' EXIT"
    for words in ("export me -o small/me.glb", "animate me walk --seconds 0.5 --size 256 -o small/w.mp4"):
        name = f"a full disk for {words.split('/')[-1]}"
        yield Place(name, f"{create} me && {full}; $DINAR {words}; {empty}", root=True, code=(2,))
    yield Place("a full disk for model files", f"{full}; {fetch.replace('$PWD', '$PWD/small')}; {empty}", root=True)
    noexec = "mkdir ne && mount -t tmpfs -o noexec,size=1g tmpfs ne && trap 'umount ne' EXIT"
    yield Place(
        "a temporary folder without exec",
        f"{noexec}; TMPDIR=$PWD/ne NUMBA_CACHE_DIR=$PWD/ne/n {create} me",
        root=True,
        code=(0,),
    )
    yield Place("a device as the output", f"{create} me && $DINAR export me -o /dev/full")
    whole = "code=$?; wait; $DINAR render me -o a.png && exit $code"
    yield Place("two at once in one place", f"{create} me & {create} me; {whole}", code=(0,))
    odd = "cp \"$PHOTO\" '写真 é.jpg' && $DINAR create '写真 é.jpg' " + " ".join(PLAIN) + " -o"
    ascii_only = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii:strict", "PYTHONUTF8": "0"}
    yield Place("ASCII streams", f"{odd} 'アバター' 2>&1 | cat", ascii_only, code=(0,))
    windows = {"PYTHONIOENCODING": "cp1252:strict"}
    yield Place("cp1252 streams", f"{odd} 'アバター' --json | $PYTHON -m json.tool", windows, code=(0,))
    latin = 'cp "$PHOTO" "$(printf \'latin1_\\351.jpg\')" && $DINAR create "$(printf \'latin1_\\351.jpg\')" '
    yield Place("a name that is no text", f"{latin}{' '.join(PLAIN)} -o me", code=(0,))
    yield Place("a closed stdout", "$DINAR doctor >&-", code=(0,))
    yield Place("a closed stderr", f"{create} me 2>&-", code=(0,))
    yield Place("a pipe that closes", "$DINAR doctor | head -1 > /dev/null", code=(0,))
    yield Place("a narrow, dumb terminal", f"{create} me", {"TERM": "dumb", "COLUMNS": "20"}, code=(0,))
    yield Place("few open files", f"ulimit -n 40; {create} me")
    yield Place("little memory", f"ulimit -v 4000000; {create} me")
    yield Place("one thread", f"{create} me", {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}, code=(0,))
    yield Place("warnings are errors", "$PYTHON -W error -c 'import dinar'", code=(0,))
    yield Place("without docstrings", "$PYTHON -OO -m dinar --version", code=(0,))
    yield Place("as a module", "$PYTHON -m dinar doctor", code=(0,))


def tried(place: Place, models: Path) -> tuple[str, bool]:
    """What came of a place, and whether it is right."""
    program = f"{sys.executable} -m dinar"
    with tempfile.TemporaryDirectory(prefix="dinar-place-") as folder:
        given = {"DINAR": program, "PYTHON": sys.executable, "PHOTO": str(PHOTO), "DINAR_MODELS": str(models)}
        given |= {"INDEX": _INDEX, "TOP": str(TOP), "BASE": sys.base_prefix, "OWN": str(Path.home())}
        environment = {**os.environ, **given, "PYTHONSAFEPATH": "1", **place.environment}
        try:
            run = subprocess.run(
                ["sh", "-c", place.shell],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=SECONDS,
            )
        except subprocess.TimeoutExpired:
            return f"hung for {SECONDS} s", False
        left = [path.name for path in Path(folder).rglob(".*") if path.is_dir()]
    if run.returncode == 126 and place.root:
        return "not tried: other users may not run this Python", True
    output = (run.stdout + run.stderr).decode(errors="replace")
    last = next((line for line in reversed(output.splitlines()) if line.startswith("dinar:")), "")
    wrong = "Traceback" in output or any(secret in output for secret in SECRETS) or bool(left)
    told = last or ("a traceback: " + output.splitlines()[-1] if "Traceback" in output else "works")
    if run.returncode not in place.code and not last:
        told = output.strip().splitlines()[-1][:160] if output.strip() else "nothing is said"
    return f"{run.returncode}: {told}", run.returncode in place.code and not wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="part of a row's name")
    parser.add_argument("--no-fetch", action="store_true", help="leave out what asks the package index")
    args = parser.parse_args()
    models = next(iter(Store().paths(["pose_detection.tflite"]).values())).parent
    fine = True
    print("| place | exit code and what is said | right |\n|---|---|---|")
    for place in places():
        if (args.only and args.only not in place.name) or (args.no_fetch and "DINAR_CACHE" in place.shell):
            continue
        if place.root and (not hasattr(os, "geteuid") or os.geteuid() != 0):
            print(f"| {place.name} | needs root | - |")
            continue
        told, right = tried(place, models)
        fine &= right
        print(f"| {place.name} | {told[:300].replace('|', '/')} | {'yes' if right else 'no'} |", flush=True)
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
