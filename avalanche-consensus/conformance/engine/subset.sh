#!/bin/sh
# Makes ../engine.jsonl.zst: all scripted traces, the first random ones of every profile, and some in
# which something rare happens, such as a parent that is rejected while its child is being issued.
#   ./subset.sh     needs Go and zstd
set -eu
cd "$(dirname "$0")"
binary=$(mktemp)
trap 'rm -f "$binary"' EXIT
go build -o "$binary" .
{
    "$binary" -profile scripts
    "$binary" -profile steady -pick 1,2,3,4,8
    "$binary" -profile fork -pick 1,2,3,4,8
    "$binary" -profile holes -pick 1,2,3,4,5
    "$binary" -profile invalid -pick 1,2,3,4,5,16
    "$binary" -profile oracle -pick 1,2,3,4,77,79
    "$binary" -profile churn -pick 1,2,3,4,50
    "$binary" -profile build -pick 1,2,3,4,52
    "$binary" -profile big -pick 1,2,3,4
    "$binary" -profile default -pick 1,2,65
    "$binary" -profile self -pick 1,2,3,4,5,6
    "$binary" -profile partial -pick 1,2,3
    "$binary" -profile sparse -pick 1,2,3,4,5
    "$binary" -profile heights -pick 1,2,4,9
    "$binary" -profile mixed -pick 1,2,3,4,27
} 2>/dev/null | zstd -19 --long=24 -qf -o ../engine.jsonl.zst
