#!/usr/bin/env bash
# All networks trained on a machine with a GPU that is lent for minutes, reaches nothing and is handed 64 MiB.
#
#   tools/gpu.sh bundle ASSETS KIT.tar.gz [BUILT]     here: all that is needed there
#   bash gpu.sh call KIT.tar.gz STATE OUT [SECONDS]   there, as often as there is time: goes on where the last one ended
#   bash gpu.sh rehearse KIT.tar.gz STATE OUT         here: all stages of the preset `tiny` on a few people, on the CPU
#
# MINUTES (60) is the time that there will be in all, of which every stage has its share. What there is of a stage then
# is what the next one begins with. OUT gets, of each stage that the call came to, weights and log in pieces of 16 MB,
# and the last grid of samples. PYTHON (python3) is one with torch, numba, scipy and OpenCV.
set -euo pipefail
python=${PYTHON:-python3}

STAGES=(people appearance autoencoder inpainting sittings slim)
declare -A SHARE=([people]=15 [appearance]=35 [autoencoder]=15 [inpainting]=20 [sittings]=5 [slim]=10)   # per cent
MOST=$((64 << 20))

bundle() {
    local assets=$1 kit=$2 built=${3:-} top folder
    top=$(cd "$(dirname "$0")/.." && pwd)
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' RETURN
    mkdir -p "$folder"/{models,wheels,assets,built}
    git -C "$top" archive HEAD src tools pyproject.toml | tar -x -C "$folder"
    rm -rf "$folder"/src/dinar/{weights/inpainting,weights/appearance,evaluate/data}     # they are made anew, or measure
    cp -r "$assets"/makehuman_cc0 "$assets"/fabric "$folder/assets"
    [ -z "$built" ] || cp "$built"/wigs.npz "$folder/built"
    "$python" - "$folder/models" <<'PY'
import shutil, sys
from dinar.store import Store
for name in ("alexnet.safetensors",):
    shutil.copy(Store().path(name), sys.argv[1])
PY
    # what machines with torch, numba, scipy and OpenCV may lack
    "$python" -m pip download --quiet --no-deps --only-binary=:all: -d "$folder/wheels" \
        "roma<1.6" tyro docstring_parser typeguard platformdirs jaxtyping wadler_lindig accelerate
    tar -czf "$kit" -C "$folder" .
    local size
    size=$(stat -c %s "$kit")
    echo "$kit $((size >> 20)) MiB"
    [ "$size" -le "$MOST" ] || { echo "$kit is larger than 64 MiB" >&2; exit 1; }
}

call() {
    local kit=$1 state=$2 out=$3 end=$((SECONDS + ${4:-540}))
    mkdir -p "$state" "$out"
    state=$(cd "$state" && pwd)
    if [ ! -e "$state/kit/pyproject.toml" ]; then
        mkdir -p "$state/kit"
        tar -xzf "$kit" -C "$state/kit"
        "$python" -m pip install -q --no-index --no-deps --target "$state/site" "$state"/kit/wheels/*.whl
    fi
    export PYTHONPATH="$state/kit/src" DINAR_MODELS="$state/kit/models" PYTHONUNBUFFERED=1
    "$python" -c 'import roma, tyro, jaxtyping, accelerate' 2> /dev/null || PYTHONPATH="$PYTHONPATH:$state/site"
    local stage left share began
    for stage in "${STAGES[@]}"; do
        left=$((end - SECONDS))
        share=$((${MINUTES:-60} * 60 * SHARE[$stage] / 100 - $(cat "$state/spent.$stage" 2> /dev/null || echo 0)))
        [ "$share" -gt 0 ] && [ "$left" -gt 15 ] || continue
        began=$SECONDS
        echo "$stage: $((share < left ? share : left)) s"
        learn "$stage" "$state" "$((share < left ? share : left))"
        echo $((SECONDS - began + $(cat "$state/spent.$stage" 2> /dev/null || echo 0))) > "$state/spent.$stage"
        handed "$stage" "$state" "$out"
    done
    cp "$state"/spent.* "$out"
}

# One stage for so many seconds.
learn() {
    local stage=$1 state=$2 seconds=$3 people=${PEOPLE:-4000} workers=${WORKERS:-14} own=() mixed=()
    local dinar=("$python" -m dinar) made=(--data "$state/people" --examples "$state/heldout")
    ! nvidia-smi > /dev/null 2>&1 || mixed=(--bf16)
    case $stage in
        people)
            local synth=(timeout "$seconds" "${dinar[@]}" synth --assets "$state/kit/assets" --workers "$workers")
            ! [ -e "$state/kit/built/wigs.npz" ] || synth+=(--built "$state/kit/built")
            "${synth[@]}" --people "${HELDOUT:-32}" --views 8 --seed 1000 --out "$state/heldout" || stopped
            "${synth[@]}" --people "$people" --views 8 --seed 1 --out "$state/people" || stopped
            return ;;
        sittings)
            "$python" "$state/kit/tools/train.py" sittings --data "$state/heldout" "$state/people" \
                --cache "$state/sittings" --after "$state/appearance/weights" --painter "$state/inpainting/weights" \
                --preset "${PRESET:-small}" --seconds "$seconds" --workers "$workers"
            return ;;
        appearance) own=(--batch "${BATCH:-8}") ;;
        autoencoder) own=(--after "$state/appearance/weights" --textures "$state/textures") ;;
        inpainting) own=(--after "$state/autoencoder/weights" --textures "$state/textures" --batch "${BATCH:-32}") ;;
        slim)
            own=(--after "$state/appearance/weights" --painter "$state/inpainting/weights")
            own+=(--textures "$state/sittings" --ready --batch "${BATCH:-16}") ;;
    esac
    "${dinar[@]}" train "$stage" "${made[@]}" "${own[@]}" "${mixed[@]}" --preset "${PRESET:-small}" --out "$state/$stage" \
        --resume --seconds "$seconds" --workers "$workers" --save-every "${SAVE:-200}" --look-every "${LOOK:-1000}"
}

# `timeout` ends what takes too long; all else that fails is an error.
stopped() {
    [ $? -eq 124 ]
}

# What comes back of a stage: few files, none of them large.
handed() {
    local stage=$1 state=$2 out=$3
    [ -d "$state/$stage/weights" ] || return 0
    tar -cf - -C "$state/$stage" weights log.jsonl | split -b 16000000 - "$out/$stage.tar."
    cp "$(ls "$state/$stage"/samples/* | tail -1)" "$out/$stage.jpg"
}

rehearse() {
    PRESET=tiny PEOPLE=2 HELDOUT=1 WORKERS=1 BATCH=2 SAVE=2 LOOK=4 call "$1" "$2" "$3" 3600
}

case ${1:-} in
    bundle) bundle "${@:2}" ;;
    call) call "${@:2}" ;;
    rehearse) rehearse "${@:2}" ;;
    *) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
