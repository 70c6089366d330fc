"""`python sdist.py NAME VERSION SHA256 FOLDER` downloads a source distribution, which nobody builds.

No command of pip does that: `pip download` runs the setup.py of a source distribution to learn what it depends on.
So pip's parts are used, in the process that `store` starts: they keep to the user's index, certificates, proxy and
credentials, wherever those are configured. The parts are not public; they are the same in pip 23 and 26.
"""

from __future__ import annotations

import hashlib
import sys
from importlib.util import find_spec
from pathlib import Path


def download(name: str, version: str, sha256: str, folder: Path) -> Path:
    """The archive of `name` whose sha256 is the given one, written into `folder`.

    Raises SystemExit, with a sentence, where no index serves it.
    """
    if find_spec("pip") is None:
        raise SystemExit("No module named pip")
    from pip._internal.commands import create_command

    command = create_command("index")
    options, _ = command.parse_args(["versions", name])
    with command.main_context(), command._build_session(options) as session:
        candidates = command._build_package_finder(options, session).find_all_candidates(name)
        links = [found.link for found in candidates if str(found.version) == version and found.link.ext != ".whl"]
        if not links:
            raise SystemExit(f"No matching distribution found for {name}=={version} as a source distribution")
        for link in links:
            archive = folder / Path(link.filename).name
            digest = hashlib.sha256()
            with (
                session.get(link.url_without_fragment, headers={"Accept-Encoding": "identity"}, stream=True) as answer,
                archive.open("wb") as file,
            ):
                answer.raise_for_status()
                for chunk in answer.iter_content(1 << 18):
                    digest.update(chunk)
                    file.write(chunk)
            if digest.hexdigest() == sha256:
                return archive
            archive.unlink()
    raise SystemExit(f"no source distribution of {name}=={version} has the expected sha256")


if __name__ == "__main__":
    download(*sys.argv[1:4], Path(sys.argv[4]))
