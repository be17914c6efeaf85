#!/bin/bash
# Two coordinators on one store: the second is refused while the first lives, and takes over when it is dead or frozen; the first, thawed,
# harms nothing. DECANT_ROUNDS (20) says how often that is tried.
#   two_coordinators.sh DECANT SOURCE STORE_LEDGER MAKE_STORE SCENARIO...
. "$(dirname "$0")/lib.sh"
rounds=${DECANT_ROUNDS:-20}
lease=3  # seconds

# write_on HOST STORE LEASE_SECONDS LOG: a writer of labels without a teacher, as process $job; what it committed is in LOG.
epochs=3 samples=6000
write_on() { rm -f "$4"; "$cluster/on" "$1" "exec $make_store write $2 $epochs $samples 0 1 $3" >"$4" 2>"$4.said" & job=$!; }
reported() { [ -e "$1" ] && [ "$(grep -c '^committed' "$1")" -ge "$2" ]; }
# writer_on HOST [STORE], signal_on HOST SIGNAL [STORE]: of any store by default.
writer_on() { on "$1" "pgrep --exact --full '$make_store write ${2:-.*} .*'"; }
signal_on() { on "$1" "kill -$2 $(writer_on "$1" "${3:-}")"; }
ended_with() { code=0; wait "$1" 2>/dev/null || code=$?; }
# All but how the first's own lease ended.
content() { (cd "$1" && find . -type f ! -path './lease/*' ! -name run.jsonl ! -name status.json -printf '%p %s\n' | sort) && "$ledger" "$1"; }
# The programs between `on` and the writer stop with it, and wake it when they are woken.
freezes() { signal_on n1 STOP "$1"; }
thaws() { kill -CONT "$1"; }
now() { date +%s%3N; }
has_all_of() {  # STORE LOG...: what writers called committed is in the store, and the labels are those that they wrote
  local log
  for log in "${@:2}"; do "$make_store" read "$1" "$log" >found 2>&1 || fail "$log: $(cat found)"; done
}

scenario_refused() {
  local host pid first epochs=30  # busy until the end
  write_on n1 "$work/refused" 30 first; first=$job
  until_true 30 reported first 10
  pid=$(writer_on n1)
  for host in n2 n1; do
    write_on $host "$work/refused" 30 second
    ended_with $!
    [ $code -ne 0 ] || fail "a second writer on $host was let in"
    grep -q "process $pid on n1" second.said || fail "the second is not told who is first: $(cat second.said)"
    ok "on $host: $(cat second.said)"
  done
  signal_on n1 KILL
  ended_with $first
  # The program itself.
  on n1 "exec $decant produce $work/labels.toml --labels.store=$work/program" >/dev/null 2>&1 &
  until_true 30 has_committed "$work/program" 10
  pid=$(on n1 "pgrep --exact decant")
  expect 7 "process $pid on n1" on n2 "$decant produce $work/labels.toml --labels.store=$work/program"
  on n1 "kill -KILL $pid"
}

# On the same host at once; on another one after the lease.
scenario_killed() {
  local host started seconds
  for host in n1 n2; do
    write_on n1 "$work/killed-$host" $lease first
    until_true 30 reported first 20
    signal_on n1 KILL
    ended_with $job
    started=$(now)
    write_on $host "$work/killed-$host" $lease second
    until_true 30 reported second 1
    seconds=$(($(now) - started))
    [ $host = n2 ] || [ $seconds -lt $((500 * lease)) ] || fail "the next writer on the same host began after $seconds ms"
    [ $host = n1 ] || [ $seconds -lt $((1000 * lease + 5000)) ] || fail "the next writer on another host began after $seconds ms"
    ended_with $job
    [ $code -eq 0 ] || fail "the next writer: $(cat second.said)"
    has_all_of "$work/killed-$host" first second
    ok "killed: $host goes on after $seconds ms"
  done
}

# one_freeze STORE: the first freezes at a random moment, the second takes over, the first thaws while the second works or after that.
one_freeze() {
  local store=$1 first second started seconds
  write_on n1 "$store" $lease first; first=$job
  until_true 30 reported first $((RANDOM % 40 + 1))
  sleep 0.0$((RANDOM % 10))
  freezes "$store"
  started=$(now)
  write_on n2 "$store" $lease second; second=$job
  until_true 30 reported second $((RANDOM % 3 + 1))
  seconds=$(($(now) - started))
  [ $seconds -lt $((1000 * lease + 5000)) ] || fail "the second took over after $seconds ms; the lease is $lease s"
  if [ $((RANDOM % 2)) -eq 0 ]; then
    thaws "$first"
    ended_with "$first"; [ $code -ne 0 ] || fail "the first, thawed, says that it is done"
    ended_with "$second"; [ $code -eq 0 ] || fail "the second: $(cat second.said)"
  else
    ended_with "$second"; [ $code -eq 0 ] || fail "the second: $(cat second.said)"
    content "$store" >before
    thaws "$first"
    ended_with "$first"; [ $code -ne 0 ] || fail "the first, thawed, says that it is done"
    content "$store" >after
    diff before after || fail "the first, thawed, changed the store"
  fi
  has_all_of "$store" first second
  [ "$(field digest "$store")" = "$undisturbed" ] || fail "another digest, or damaged: $("$ledger" "$store")"
  ok "frozen: taken over after $seconds ms; then the first says: $(cat first.said)"
  rm -rf "$store"
}

scenario_frozen() {
  local lane lanes=() undisturbed
  "$make_store" write undisturbed $epochs $samples >/dev/null
  undisturbed=$(field digest undisturbed)
  for lane in 1 2 3 4; do  # each mostly waits for leases
    mkdir "lane$lane"
    (cd "lane$lane"; for _ in $(seq "$lane" 4 "$rounds"); do one_freeze "$work/lane$lane/frozen"; done) & lanes+=($!)
  done
  for lane in "${lanes[@]}"; do wait "$lane" || fail "a round of frozen coordinators"; done
  ok "$rounds of $rounds: the first, thawed, harms nothing"
}

# The program itself, ranks and all; the second waits for the lease of the first.
scenario_frozen_program() {
  local first
  "$cluster/on" n1 "exec $decant produce $work/labels.toml --labels.store=$work/frozen --lease $((2 * lease))" >first 2>&1 & first=$!
  until_true 30 has_committed "$work/frozen" 20
  on n1 "kill -STOP \$(pgrep --exact decant)"
  on n2 "$decant produce $work/labels.toml --labels.store=$work/frozen --lease $((2 * lease))" >second 2>&1 || fail "the second: $(cat second)"
  content "$work/frozen" >before
  thaws $first
  ended_with $first
  [ $code -ne 0 ] || fail "the first, thawed, says that it is done: $(cat first)"
  content "$work/frozen" >after
  diff before after || fail "the first, thawed, changed the store"
  check_complete "$work/frozen" "the program, frozen and thawed ($(grep '^decant: ' first))"
}

# Rank 0 of two freezes: rank 1 hears nothing any more and ends, the next job takes over, and rank 0, thawed, finds itself replaced.
scenario_frozen_rank_0() {
  local job store=$work/job.decant command
  command="$decant produce $work/labels.toml --labels.store=$store --lease $((2 * lease))"
  "$cluster/on" n0 "exec timeout 120 $(mpirun_on_hosts 1 -n 2 --enable-recovery "$command")" >first 2>&1 & job=$!
  until_true 30 has_committed "$store" 20
  on n1 "kill -STOP \$(pgrep --exact decant)"
  until_true 30 no_rank_on n2
  on n2 "$command" >second 2>&1 || fail "the next job: $(cat second)"
  content "$store" >before
  on n1 "kill -CONT \$(pgrep --exact decant)"
  until_true 30 no_rank_on n1
  content "$store" >after
  diff before after || fail "rank 0, thawed, changed the store"
  check_complete "$store" "rank 0 of a job frozen and thawed ($(grep '^decant: ' first | tr '\n' ' '))"
  until_true 30 is_gone $job
}
no_rank_on() { ! on "$1" "pgrep --exact decant >/dev/null"; }
is_gone() { ! kill -0 "$1" 2>/dev/null; }

# sshfs: what one mount locks, another one does not see.
scenario_without_locks() {
  local server=/usr/lib/openssh/sftp-server host first
  command -v sshfs >/dev/null && [ -x $server ] || skip "there is no sshfs (packages sshfs, openssh-sftp-server)"
  mkdir -p "$work/served" "$work/mounted"
  printf '#!/bin/bash\nexec %s\n' $server >no_ssh
  chmod +x no_ssh
  for host in n1 n2; do on $host "sshfs -o ssh_command=$work/no_ssh served:$work/served $work/mounted" || skip "no sshfs here"; done
  epochs=30 write_on n1 "$work/mounted/refused" 30 first
  first=$job
  until_true 30 reported first 10
  epochs=30 write_on n2 "$work/mounted/refused" 30 second
  ended_with $job
  grep -q "on n1" second.said || fail "without locks a second writer is let in: $code $(cat second.said)"
  ok "without locks: $(cat second.said)"
  signal_on n1 KILL
  ended_with "$first"
  local round store undisturbed
  "$make_store" write undisturbed $epochs $samples >/dev/null
  undisturbed=$(field digest undisturbed)
  for round in 1 2 3 4 5; do
    store=$work/served/frozen$round  # a mount remembers for a while what was removed through another one
    write_on n1 "$work/mounted/frozen$round" $lease first; first=$job
    until_true 30 reported first $((RANDOM % 20 + 1))
    sleep 0.0$((RANDOM % 10))
    freezes "$work/mounted/frozen$round"
    write_on n2 "$work/mounted/frozen$round" $lease second
    ended_with $job; [ $code -eq 0 ] || fail "without locks: the second: $(cat second.said)"
    content "$store" >before
    thaws "$first"
    ended_with "$first"; [ $code -ne 0 ] || fail "the first, thawed, says that it is done"
    content "$store" >after
    diff before after || fail "without locks: the first, thawed, changed the store"
    has_all_of "$store" first second
    [ "$(field digest "$store")" = "$undisturbed" ] || fail "without locks: another digest"
  done
  ok "without locks: 5 of 5 frozen and thawed, and nothing changed"
}

shift 4
make_job 60
hosts_up 2
for scenario in "$@"; do scenario_"$scenario"; done
