#!/bin/bash
# A full disk stops writing, merging, expiring and repairing with one clear line and exit code 6. Nothing is lost, and
# the same command goes on once there is room. Needs the right to mount a small tmpfs.
set -euo pipefail
decant=$1 make_store=$3
work=$(mktemp -d)
trap 'umount "$work/disk" 2>/dev/null; rm -rf "$work"' EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }
cd "$work"
mkdir disk
mount -t tmpfs -o size=1m tmpfs disk 2>/dev/null || { echo "skipped: cannot mount a tmpfs"; exit 77; }
epochs=4 samples=8000
"$make_store" write whole $epochs $samples >/dev/null
digest() { "$decant" verify "$1" --json | sed -n 's/.*"digest": "\([0-9a-f]*\)".*/\1/p'; }
expected=$(digest whole)

exhausted() {  # COMMAND...
  local code=0
  "$@" >out 2>err || code=$?
  [ $code -eq 6 ] || fail "$*: exit code $code: $(tail -n 3 out err)"
  [ "$(wc -l <err)" -eq 1 ] || fail "$*: expected one line: $(cat err)"
  grep -qi 'no space left' err || fail "$*: expected 'no space left': $(cat err)"
}

write=("$make_store" write disk/store $epochs $samples)
for size in 600k 800k 1000k; do  # full at several places
  mount -o remount,size=$size disk
  exhausted "${write[@]}"
  echo "ok: $size: $(cat err)"
  cat out >>log
  "$decant" verify disk/store >report || fail "full while writing: $(cat report)"
  "$make_store" read disk/store log || fail "full while writing lost spans"
done
mount -o remount,size=64m disk
"${write[@]}" >/dev/null || fail "does not go on with room"
[ "$(digest disk/store)" = "$expected" ] || fail "another digest"
rm -rf disk/store log

# However little is left, down to nothing.
for left in 0 4 16 64 200 500; do
  mount -o remount,size=64m disk
  "$make_store" write disk/store $epochs $samples 0 8 >/dev/null
  head -c "$(($(df --output=avail -k disk | tail -1) - left))k" /dev/zero >disk/filler 2>/dev/null || true
  exhausted "${write[@]}"
  rm disk/filler
  "$decant" verify disk/store >report || fail "$left KiB left: $(cat report)"
  "${write[@]}" >/dev/null || fail "does not go on with room"
  [ "$(digest disk/store)" = "$expected" ] || fail "another digest"
  rm -rf disk/store
done
echo "ok: 0 to 500 KiB left"

mount -o remount,size=800k disk
exhausted "$decant" merge disk/store whole
echo "ok: $(cat err)"
mount -o remount,size=64m disk
"$decant" merge disk/store whole >/dev/null || fail "a merge does not go on with room"
[ "$(digest disk/store)" = "$expected" ] || fail "another digest"

fill() { head -c 64M /dev/zero >disk/filler 2>/dev/null || true; }
fill
exhausted "$decant" expire disk/store --epochs 0:2
"$decant" verify disk/store >report || fail "full while expiring: $(cat report)"
exhausted "$decant" extend disk/store --epochs 5
rm disk/filler
"$decant" verify disk/store >report || fail "full while extending: $(cat report)"
"$decant" expire disk/store --epochs 0:2 >/dev/null || fail "an expiry does not go on with room"
file=$(ls disk/store/db/*.sst | sed -n '$p')
chmod u+w disk/store/db/*.sst; truncate -s 100 "$(ls -S disk/store/db/*.sst | head -1)"
fill
exhausted "$decant" repair disk/store
rm disk/filler
"$decant" repair disk/store >/dev/null || fail "a repair does not go on with room"
"$decant" verify disk/store >report || fail "full while repairing: $(cat report)"
"${write[@]}" >/dev/null
[ "$(digest disk/store)" = "$expected" ] || fail "another digest"
echo "ok: expire, extend, repair"
