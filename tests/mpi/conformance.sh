#!/bin/bash
# conformance.sh PROGRAM CASE DEAD: a case of the battery on 3 ranks under mpirun, of which DEAD die on the way. mpirun's
# exit code says nothing then: every other rank must say that it passed, and come to its end.
set -uo pipefail
program=$1 case=$2 dead=$3
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
recovery=()
[ "$dead" -gt 0 ] && recovery=(--enable-recovery)
timeout -k 5 60 mpirun --bind-to none --oversubscribe "${recovery[@]}" -n 3 "$program" "$case" "$folder" >"$folder/output" 2>&1
code=$?
cat "$folder/output"
alive=$((3 - dead))
for word in passed ended; do
  [ "$(grep -c "$word\$" "$folder/output")" -eq "$alive" ] || { echo "FAILED: not $alive ranks $word (mpirun: $code)"; exit 1; }
done
[ "$dead" -gt 0 ] || [ "$code" -eq 0 ] || { echo "FAILED: mpirun exits with $code"; exit 1; }
