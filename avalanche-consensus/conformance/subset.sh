#!/bin/sh
# Makes the checked-in subset from the full set of trace files: whole traces, chosen by rule.
#   ./subset.sh FOLDER     FOLDER holds the *.jsonl.zst files; needs zstd and awk
set -eu
from=${1:?usage: subset.sh FOLDER}
cd "$(dirname "$0")"

# subset FAMILY EVERY ALWAYS
# Takes every EVERYth trace of each file of the family, the first one included, and all traces whose
# `init` matches the expression ALWAYS.
subset() {
    for file in "$from/$1".jsonl.zst "$from/$1"-[0-9]*.jsonl.zst; do
        [ -f "$file" ] || continue
        zstd -dcq "$file" | awk -v every="$2" -v always="$3" '
            /"op":"init"/ { keep = count++ % every == 0 || (always != "" && $0 ~ always) }
            keep'
    done | zstd -19 --long=24 -qf -o "$1.jsonl.zst"
}

subset snowball 6 '"tc":\[\[[0-9]+,[0-9]+\],'
subset snowman 6 '"reuse":true'
subset snowmanerr 4 ''
subset poll 5 ''
subset boot 8 ''
subset interval 20 ''
subset sampler 4 '"out":"overflow"'
subset bench-snowman 100 '"bench":"(chain-depth-(4|16)-split|stream-pipelined-2000")'
