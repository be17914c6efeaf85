#!/bin/bash
# mpirun over three hosts of which one loses its link for a while or for good, and any number of ranks over one and three hosts.
#   links.sh DECANT SOURCE STORE_LEDGER MAKE_STORE SCENARIO...
. "$(dirname "$0")/lib.sh"

# Ranks end when they have heard nothing for this long; the default is 30 s.
silence=8
lease_options=()
"$decant" produce --help | has -- '--lease' && lease_options=(--lease $silence)

# start_on_hosts STORE SLOTS RANKS MPIRUN_OPTION...: starts ranks as process $job.
start_on_hosts() {
  local store=$1 slots=$2 ranks=$3
  shift 3
  on n0 "timeout 200 $(mpirun_on_hosts "$slots" -n "$ranks" "$@" "$decant" produce "$work/labels.toml" --labels.store="$work/$store" "${lease_options[@]}")" \
    >stdout 2>stderr & job=$!
}
ends_within() {  # SECONDS: sets $code
  until_true "$1" is_gone "$job"
  code=0
  wait "$job" || code=$?
}
is_gone() { ! kill -0 "$1" 2>/dev/null; }
no_rank_on() { ! on "$1" "pgrep -x decant >/dev/null"; }
content() { (cd "$1" && find . -type f ! -name status.json ! -name run.jsonl -printf '%p %s\n' | sort && "$ledger" .); }

# Shorter than the ranks' patience: nothing but time is lost. TCP tries again 6.2 s after the cut, and where it is too early, after 12.6 s.
scenario_cut_for_5_seconds() {
  local keepalive=() lease_options=(--lease 20)
  start_on_hosts short.decant 1 3
  until_true 60 has_committed short.decant 20
  cut_link n2
  sleep 5
  join_link n2
  ends_within 90
  [ $code -eq 0 ] || fail "a link cut for 5 s: exit code $code: $(cat stderr)"
  check_complete short.decant "a link cut for 5 s"
}

# mpirun notices after 6 s and ends the job; the next one has two hosts. The rank that was cut off comes back to a store that is complete.
scenario_cut_for_good() {
  local host
  for host in n2 n1; do  # a rank's, rank 0's
    start_on_hosts cut.decant 1 3
    until_true 60 has_committed cut.decant 20
    cut_link $host
    ends_within 60
    [ $code -ne 0 ] || fail "$host cut off: the job says that it is complete"
    check_sound cut.decant "$host cut off"
    if [ $host = n1 ]; then until_true 60 no_rank_on n1; fi
    local rest=(n1 n2 n3)
    rest=("${rest[@]/$host/}")
    on n0 "timeout 120 mpirun --bind-to none --host $(echo ${rest[*]} | tr ' ' ',') --mca plm_rsh_agent $cluster/on --mca plm_rsh_no_tree_spawn 1 \
             -n 2 $decant produce $work/labels.toml --labels.store=$work/cut.decant ${lease_options[*]}" >stdout 2>stderr || fail "the rest: $(cat stderr)"
    check_complete cut.decant "$host cut off, the others' next job"
    content cut.decant >before
    join_link $host
    until_true 60 no_rank_on $host
    content cut.decant >after
    diff before after || fail "$host came back and changed the store"
    ok "$host came back, and nothing changed"
    rm -rf cut.decant
  done
}

# With --enable-recovery the job goes on without the rank. mpirun itself may wait for the lost host for ever: the store says that it is done.
scenario_cut_with_recovery() {
  start_on_hosts recovery.decant 1 3 --enable-recovery
  until_true 60 has_committed recovery.decant 20
  cut_link n2
  until_true 90 is_complete recovery.decant
  content recovery.decant | committed >before
  join_link n2
  until_true 60 no_rank_on n2
  content recovery.decant | committed >after
  diff before after || fail "n2 came back and changed the store"
  kill "$job" 2>/dev/null || true
  check_complete recovery.decant "a rank cut off, the others finish"
  # A file that n2 finished too late waits for the next coordinator, which throws it away. Rank 0 may still be saying goodbye.
  until_true 60 once_more
  [ -z "$(find recovery.decant -name 'span-*')" ] || fail "left over: $(find recovery.decant -name 'span-*')"
}
once_more() { on n0 "timeout 60 $decant produce $work/labels.toml --labels.store=$work/recovery.decant ${lease_options[*]}" >stdout 2>stderr; }
on_failure() { cat "$work/stderr" 2>/dev/null || true; }
# Without rank 0's heartbeats, which go on, and what no coordinator has looked at.
committed() { grep -v -e '^\./lease/' -e '^\./staging/'; }
is_complete() { [ -e "$1/seal" ]; }

# 1, 2, 3, 4 and 8 ranks over one host and three, undisturbed and killed.
scenario_rank_counts() {
  local ranks hosts victim
  for hosts in 1 3; do
    for ranks in 1 2 3 4 8; do
      num_hosts=$hosts
      start_on_hosts count.decant 8 $ranks
      ends_within 90
      [ $code -eq 0 ] || fail "$ranks ranks on $hosts hosts: exit code $code: $(cat stderr)"
      check_complete count.decant "$ranks ranks on $hosts hosts"
      rm -rf count.decant
      start_on_hosts count.decant 8 $ranks
      until_true 60 has_committed count.decant $((RANDOM % 60 + 1))
      victim=$(pgrep -f "^$decant produce .*$work/count.decant" | shuf -n 1 || true)  # the job may be done
      [ -z "$victim" ] || kill -KILL "$victim" 2>/dev/null || true
      ends_within 90
      start_on_hosts count.decant 8 $ranks
      ends_within 90
      [ $code -eq 0 ] || fail "$ranks ranks on $hosts hosts after a kill: exit code $code: $(cat stderr)"
      check_complete count.decant "$ranks ranks on $hosts hosts, one killed"
      rm -rf count.decant
    done
  done
}

shift 4
hosts_up 3
for scenario in "$@"; do
  case $scenario in rank_counts) make_job 20 ;; *) make_job 60 ;; esac
  scenario_"$scenario"
done
