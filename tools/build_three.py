"""src/dinar/export/page/three.min.js: what the page of an exported person needs of npm's `three`, in one script.

    NODE_PATH=~/npm/node_modules python tools/build_three.py

It needs npm's `three` and `esbuild` (`npm install three@0.187.0 esbuild@0.28.2`) in the folder that NODE_PATH names.
The script is the same for the same versions; it defines `dinarThree`, and begins with three's licence.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

OUT = Path(__file__).parents[1] / "src" / "dinar" / "export" / "page" / "three.min.js"
NAMES = (
    "AnimationMixer", "Box3", "CanvasTexture", "Color", "DirectionalLight", "HemisphereLight", "Mesh",
    "MeshBasicMaterial", "MeshStandardMaterial", "PerspectiveCamera", "PlaneGeometry", "Scene", "Vector3",
    "WebGLRenderer",
)  # fmt: skip
ADDONS = {
    "GLTFLoader": "loaders/GLTFLoader.js",
    "OrbitControls": "controls/OrbitControls.js",
    "MeshoptDecoder": "libs/meshopt_decoder.module.js",
}


def main() -> None:
    places = [Path(place) for place in os.environ.get("NODE_PATH", "").split(os.pathsep) if place]
    folder = next((place for place in places if (place / "three").is_dir() and (place / "esbuild").is_dir()), None)
    if folder is None:
        sys.exit("needs `npm install three esbuild`, with NODE_PATH at its node_modules")
    lines = [f'export {{ {", ".join(NAMES)} }} from "three";']
    lines += [f'export {{ {name} }} from "three/addons/{path}";' for name, path in ADDONS.items()]
    licence = (folder / "three" / "LICENSE").read_text(encoding="utf-8").strip()
    with tempfile.TemporaryDirectory() as place:
        entry, made = Path(place) / "entry.mjs", Path(place) / "made.js"
        entry.write_text("\n".join(lines), encoding="utf-8")
        subprocess.run(
            [folder / "esbuild" / "bin" / "esbuild", entry, "--bundle", "--minify",
             "--format=iife", "--global-name=dinarThree", "--target=es2021", "--charset=ascii",
             "--legal-comments=none", f"--outfile={made}"],
            check=True, env={**os.environ, "NODE_PATH": str(folder)},
        )  # fmt: skip
        script = made.read_text(encoding="ascii")
    if "</script" in script.lower():
        sys.exit("the script would end the element that it is put into")
    decoder = "Its decoder of EXT_meshopt_compression: meshoptimizer, Copyright (C) 2016-2026 Arseny Kapoulkine, MIT."
    OUT.write_text(f"/*! three.js\n\n{licence}\n\n{decoder}\n*/\n{script}", encoding="utf-8", newline="\n")
    print(f"{OUT}: {OUT.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
