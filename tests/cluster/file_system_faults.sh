#!/bin/bash
# File systems that are full, fail, or lose power while labels are written. Each ends in one clear line and a store that holds all that
# was called committed, and goes on to the digest of an undisturbed one.
#   file_system_faults.sh DECANT SOURCE STORE_LEDGER MAKE_STORE SCENARIO...
if [ ! "${own_mounts:-}" ]; then
  unshare --mount true 2>/dev/null || { echo "skipped: this user may not mount"; exit 77; }
  exec unshare --mount --propagation private env own_mounts=yes "$0" "$@"
fi
. "$(dirname "$0")/lib.sh"

clean_up() { hosts_down; umount "$work/disk" "$work/scratch" 2>/dev/null || true; rm -rf "$work"; }

produce() { "$decant" produce labels.toml --labels.store="$1" "${@:2}"; }
# The same in the background, as process $job.
start_produce() { "$decant" produce labels.toml --labels.store="$1" "${@:2}" >stdout 2>stderr & job=$!; }

# The last part of each scenario: what is there is sound, and once the fault is gone the job goes on to the same digest.
goes_on() {  # STORE WHAT [OPTION...]
  "$decant" verify "$1" >verified 2>&1 || grep -q "has no schema yet" verified || fail "$2: $(cat verified)"
  mpi 2 produce labels.toml --labels.store="$1" "${@:3}" >goes_on 2>&1 || fail "$2: does not go on: $(cat goes_on)"
  check_complete "$1" "$2"
  rm -rf "$1"
}

small_disk() { mkdir -p "$1"; mount -t tmpfs -o size="$2" tmpfs "$1" 2>/dev/null || skip "cannot mount a tmpfs"; }
fill() { head -c 64M /dev/zero >"$1/filler" 2>/dev/null || true; }
# Takes what becomes free, too, until the end of a process.
keep_full() { while kill -0 "$2" 2>/dev/null; do cat /dev/zero >>"$1/filler" 2>/dev/null || sleep 0.01; done; }

# Full from the beginning, down to some KiB, and then at a random moment.
scenario_full_disk() {
  small_disk disk 16m
  local left
  for left in 0 16 64 200 400; do
    head -c $((16384 - left))k /dev/zero >disk/filler
    expect 6 "o space" produce disk/store
    rm disk/filler
    if [ -e disk/store/db ]; then goes_on disk/store "$left KiB left"; fi
    rm -rf disk/store
  done
  for left in 1 2 3; do
    mpi 2 produce labels.toml --labels.store=disk/store >stdout 2>stderr & local job=$!
    until_true 60 has_committed disk/store $((20 * left))
    keep_full disk $job
    ends_with 6 "o space" $job
    rm disk/filler
    goes_on disk/store "full after $((20 * left)) spans"
  done
  umount disk
}

scenario_full_scratch() {
  small_disk scratch 1m
  fill scratch
  expect 6 "o space" produce labels.decant --scratch scratch
  rm scratch/filler
  if [ -e labels.decant ]; then goes_on labels.decant "a scratch that is full from the beginning" --scratch scratch; fi
  start_produce labels.decant --scratch scratch
  until_true 60 has_committed labels.decant 20
  keep_full scratch $job
  ends_with 6 "o space" $job
  rm scratch/filler
  goes_on labels.decant "a scratch that fills up" --scratch scratch
  # One rank's scratch: the others go on without that rank.
  mkdir roomy
  mpirun --bind-to none --oversubscribe -n 1 "$decant" produce labels.toml --scratch roomy : -n 1 "$decant" produce labels.toml --scratch scratch \
    >stdout 2>stderr & job=$!
  until_true 60 has_committed labels.decant 20
  keep_full scratch $job
  wait $job || fail "one full scratch ends the job: $(cat stderr)"
  check_complete labels.decant "the scratch of one rank fills up"
  umount scratch
}

# disturb_writer PROCESS STRACE_OPTION...: injects errors into the system calls of a process from now on.
disturb_writer() {
  local process=$1
  shift
  strace --follow-forks --quiet=all --output=trace --attach="$process" "$@" 2>strace_said & tracer=$!
  until_true 10 tracing "$process"
}
tracing() { [ "$(sed -n 's/^TracerPid:\t//p' "/proc/$1/status" 2>/dev/null)" != 0 ]; }
ends_with() {  # CODE TEXT PROCESS
  local code=0
  wait "$3" || code=$?
  [ "$code" -eq "$1" ] || fail "exit code $code, expected $1: $(cat stderr)"
  [ "$(grep -c '^decant: ' stderr)" -eq 1 ] || fail "expected one line, found: $(cat stderr)"
  grep -qi -- "$2" stderr || fail "expected '$2' in: $(cat stderr)"
  ok "exit $code: $(grep '^decant: ' stderr)"
}

# with_fault CODE TEXT WHAT FOLDER_OR_GLOB CALLS: a writer of which system calls on some files (on any, where that is "") fail from
# the time on at which some spans are committed.
with_fault() {
  command -v strace >/dev/null || skip "there is no strace"
  local code=$1 text=$2 what=$3 files=$4 calls=$5 file paths=()
  start_produce faulty.decant
  until_true 60 has_committed faulty.decant 20
  for file in $files; do paths+=(--trace-path="$work/$file"); done
  disturb_writer "$job" "${paths[@]}" --inject="$calls"
  ends_with "$code" "$text" "$job"
  goes_on faulty.decant "$what"
}

scenario_full_disk_at_commit() {
  with_fault 6 "o space" "no space for the database's own bookkeeping" 'faulty.decant/db*/MANIFEST-*' write,pwrite64,writev:error=ENOSPC
}

scenario_fsync_fails() {
  with_fault 7 "Input/output error" "every fsync fails" "" fsync,fdatasync:error=EIO
  with_fault 7 "Input/output error" "an fsync of the database's bookkeeping fails" 'faulty.decant/db*/MANIFEST-*' fsync,fdatasync:error=EIO:when=1
  with_fault 7 "Input/output error" "an fsync of the database's folder fails" 'faulty.decant/db*' fsync,fdatasync:error=EIO:when=1
  with_fault 7 "Input/output error" "an fsync of the staging folder fails" 'faulty.decant/staging faulty.decant/staging/[0-9]*' fsync,fdatasync:error=EIO:when=1
}

# Committed means committed: after a power cut right after a commit was reported, it is there.
scenario_power_cut() {
  command -v mkfs.xfs >/dev/null || skip "there is no mkfs.xfs (package xfsprogs)"
  local round log=committed
  "$make_store" write undisturbed 4 8000 | sed -n 's/^sealed //p' >sealed
  for round in 1 2 3; do
    new_disk
    : >$log
    "$make_store" write disk/store 4 8000 >>$log 2>stderr & local writer=$!
    until_true 60 reported $log $((round * 40))
    # What is said from now on, a machine without power would not have said: an fsync that is under way may still return 0.
    cp $log before
    xfs_io -x -c shutdown disk
    wait $writer 2>/dev/null && fail "the writer did not notice that the disk is gone"
    umount disk
    mount -o loop disk.img disk
    "$make_store" read disk/store before >found 2>&1 || fail "power cut: $(cat found)"
    ok "power cut after $(grep -c committed before) commits: $(cat found)"
    "$make_store" write disk/store 4 8000 >>$log 2>stderr || fail "power cut: does not go on: $(cat stderr)"
    [ "$(sed -n 's/^sealed //p' $log)" = "$(cat sealed)" ] || fail "power cut: another digest"
    umount disk
  done
  # The program itself.
  new_disk
  start_produce disk/store
  until_true 60 has_committed disk/store 40
  local committed
  committed=$(num_committed disk/store)
  xfs_io -x -c shutdown disk
  local code=0
  wait $job || code=$?
  case $code in 5 | 6 | 7) ok "power cut: exit $code: $(grep '^decant: ' stderr)" ;; *) fail "power cut: exit code $code: $(cat stderr)" ;; esac
  umount disk
  mount -o loop disk.img disk
  has_committed disk/store "$committed" || fail "power cut: $(num_committed disk/store) spans of $committed that were committed"
  goes_on disk/store "power cut"
  umount disk
}
reported() { [ "$(grep -c committed "$1")" -ge "$2" ]; }
new_disk() {
  mkdir -p disk
  truncate -s 320M disk.img
  mkfs.xfs -q -f disk.img
  mount -o loop disk.img disk 2>/dev/null || skip "cannot mount an image of xfs"
}

# GlusterFS without its brick for 6 s: after 3 s write() still returns ok, and fsync() fails.
scenario_brick_lost() {
  hosts_up 2
  gluster_up
  local log=$work/committed cut
  on n1 "$make_store write $gluster/undisturbed 4 4000" | sed -n 's/^sealed //p' >sealed
  for cut in link brick; do
    : >"$log"
    on n1 "$make_store write $gluster/$cut 4 4000" >>"$log" 2>stderr & local writer=$!
    until_true 60 reported "$log" 40
    if [ $cut = link ]; then cut_link n1; sleep 6; join_link n1; else brick_dies; sleep 6; brick_returns; fi
    local code=0
    wait $writer || code=$?
    until_true 60 on n2 "ls $gluster/$cut >/dev/null 2>&1"
    on n2 "$make_store read $gluster/$cut $log" >found 2>&1 || fail "$cut lost: $(cat found)"
    ok "$cut lost after $(grep -c committed "$log") commits, exit code $code: $(cat stderr found)"
    until_true 60 on n1 "ls $gluster/$cut >/dev/null 2>&1"
    on n1 "$make_store write $gluster/$cut 4 4000" >>"$log" 2>stderr || fail "$cut lost: does not go on: $(cat stderr)"
    [ "$(sed -n 's/^sealed //p' "$log")" = "$(cat sealed)" ] || fail "$cut lost: another digest"
  done
  # The program, of which rank 0 loses the brick.
  local run
  run=$(mpirun_on_hosts 1 -n 2 "$decant" produce "$work/labels.toml" --labels.store="$gluster/store")
  on n0 "timeout 120 $run" >stdout 2>stderr & local job=$!
  until_true 60 on n2 "ls $gluster/store/db*/*.sst >/dev/null 2>&1"
  sleep 1
  brick_dies; sleep 6; brick_returns
  local code=0
  wait $job || code=$?
  ok "brick lost: exit code $code: $(grep '^decant: ' stderr)"
  until_true 60 on n1 "ls $gluster/store >/dev/null 2>&1"
  until_true 60 on n2 "ls $gluster/store >/dev/null 2>&1"
  on n0 "timeout 120 $run" >stdout 2>stderr || fail "brick lost: does not go on: $(cat stderr)"
  on n2 "$decant verify $gluster/store" >verified 2>&1
  grep -q '^verdict: sound$' verified || fail "brick lost: $(cat verified)"
  grep -q "$expected" verified || fail "brick lost: another digest: $(cat verified)"
  ok "brick lost: complete, sound, the same digest"
}

shift 4
make_job 60
for scenario in "$@"; do scenario_"$scenario"; done
