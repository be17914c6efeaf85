#!/bin/bash
# A sealed store in a read-only directory is read by several unprivileged users' processes at once, which leave no file
# behind; so is one that is not sealed. Where this is root, the readers are `nobody`.
set -euo pipefail
decant=$1 make_store=$3
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }
chmod 755 "$work"
cp "$decant" "$make_store" "$work"  # the build folder may be closed to others
cd "$work"
as_reader=()
if [ "$(id -u)" -eq 0 ]; then
  command -v setpriv >/dev/null || { echo "skipped: no setpriv"; exit 77; }
  as_reader=(setpriv --reuid=65534 --regid=65534 --clear-groups)
fi
./make_store write sealed 3 700 >/dev/null
./make_store write open 3 700 0 2 >/dev/null

for file in sealed/seal sealed/db/*.sst sealed/db/MANIFEST-* sealed/db/CURRENT; do
  [ "$(stat -c %A "$file" | tr -cd w)" = "" ] || fail "sealing left $file writable: $(stat -c %A "$file")"
done
chmod -R a-w sealed open
for store in sealed open; do
  find $store -printf '%p %s %m %T@ %C@\n' | sort >before
  pids=()
  for reader in 1 2 3 4; do
    TMPDIR=/tmp "${as_reader[@]}" ./make_store read $store >out.$reader 2>&1 & pids+=($!)
    "${as_reader[@]}" ./decant verify $store --threads 2 >verify.$reader 2>&1 & pids+=($!)
    "${as_reader[@]}" ./decant inspect $store --json >inspect.$reader 2>&1 & pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid" || fail "$store: a reader failed: $(cat out.* verify.*)"; done
  find $store -printf '%p %s %m %T@ %C@\n' | sort >after
  diff before after || fail "$store: readers left something behind"
  echo "ok: $store: $(cat out.1), $(tail -1 verify.1)"
done

# Writers say so.
code=0; "${as_reader[@]}" ./decant expire sealed --epochs 0:1 >out 2>&1 || code=$?
if [ "$(id -u)" -ne 0 ] || [ ${#as_reader[@]} -gt 0 ]; then
  [ $code -eq 7 ] || fail "expire in a read-only directory: exit code $code: $(cat out)"
fi
echo "ok: $(cat out)"

# The owner, who is not root, goes on with a sealed store: merges, extends, expires and repairs it.
chmod -R u+w open
rm -rf sealed open
mkdir own; [ "$(id -u)" -ne 0 ] || chown 65534:65534 own
"${as_reader[@]}" ./make_store write own/a 3 700 >/dev/null
"${as_reader[@]}" ./decant merge own/b own/a || fail "merge of a sealed store"
"${as_reader[@]}" ./decant extend own/b --epochs 4 || fail "extend a sealed store"
"${as_reader[@]}" ./decant expire own/a --epochs 0:1 || fail "expire a sealed store"
chmod u+w own/a/db/*.sst
truncate -s 90 "$(ls own/a/db/*.sst | tail -2 | head -1)"
"${as_reader[@]}" ./decant repair own/a || fail "repair a sealed store"
"${as_reader[@]}" ./make_store write own/a 3 700 >/dev/null || fail "continue a repaired store"
"${as_reader[@]}" ./decant verify own/a >report
grep -q 'verdict: sound$' report || fail "not sound"
"${as_reader[@]}" rm -rf own/a own/b || fail "its owner cannot remove it"
