#!/bin/bash
# Who may include whom (docs/design.md), read off the #include lines; and consumer libraries that need no producer symbol.
set -euo pipefail
decant=$1 source=$2
cd "$source"
failed=0

# forbid FOLDER... -- PATTERN...: no file below the folders may include what matches.
forbid() {
  local folders=()
  while [ "$1" != -- ]; do folders+=("$1"); shift; done
  shift
  for pattern in "$@"; do
    if found=$(grep -rnE "#include *[<\"]$pattern" "${folders[@]}" --include='*.h' --include='*.cc'); then
      echo "not allowed in ${folders[*]}: $pattern"; echo "$found"; failed=1
    fi
  done
}
ours() { printf 'decant/(%s)/\n' "$(IFS='|'; echo "$*")"; }

forbid base -- "$(ours store data exchange models producer consumer cluster bench cli)"
forbid store -- "$(ours data exchange models producer consumer cluster bench cli)"
forbid data -- "$(ours exchange models producer consumer cluster bench cli)"
forbid models -- "$(ours store data exchange producer consumer cluster bench cli)"
forbid cluster -- "$(ours store data exchange models producer consumer bench cli)"
forbid producer -- "$(ours exchange consumer cluster bench cli)"
forbid exchange -- "$(ours models producer consumer cluster bench cli)"
forbid consumer -- "$(ours exchange producer cluster bench cli)"
forbid bench -- "$(ours data exchange models consumer cluster cli)" 'decant/producer/[^s]' 'decant/producer/s[^e]'
forbid base store data exchange bench cluster consumer/stream consumer/include/decant/consumer/stream.h -- 'torch/' 'ATen/' 'c10/'
forbid base data exchange models producer consumer cluster cli -- 'rocksdb/'
if found=$(grep -rlE '#include *[<"]mpi\.h' base store data exchange models producer consumer cluster bench cli | grep -v '^cluster/mpi_communicator.cc$'); then
  echo "mpi.h is included outside cluster/mpi_communicator.cc: $found"; failed=1
fi

# No symbol that a consumer library wants is one that a producer library gives.
build=$(cd "$(dirname "$decant")/.." && pwd)
given=$(nm -C --defined-only "$build"/producer/libdecant_*.a | awk '$2 ~ /[TBDR]/ {$1=$2=""; print}' | sort -u)
for library in "$build"/consumer/libdecant_*.a; do
  wanted=$(nm -C --undefined-only "$library" | awk '$1 == "U" {$1=""; print " "$0}' | sort -u)
  if common=$(comm -12 <(echo "$given" | sed 's/^ *//' | sort -u) <(echo "$wanted" | sed 's/^ *//' | sort -u) | grep 'decant::'); then
    echo "$(basename "$library") needs the producer: $common"; failed=1
  fi
done
exit $failed
