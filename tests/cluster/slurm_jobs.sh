#!/bin/bash
# Jobs under a real Slurm of three hosts, disturbed in every way that a cluster has. Each ends complete, sound, and with the digest of an
# undisturbed store.
#   slurm_jobs.sh DECANT SOURCE STORE_LEDGER MAKE_STORE SCENARIO...
. "$(dirname "$0")/lib.sh"

# submit STORE OPTION...: submits the job with `decant submit` and sets job_id and merge_job_id.
submit() {
  local store=$1
  shift
  slurm "$decant submit labels.toml --labels.store=$store --name=$store --time=10 --json $*" >submitted || fail "submit: $(cat submitted)"
  job_id=$(sed -n 's/.*"job": "\(.*\)",/\1/p' submitted)
  merge_job_id=$(sed -n 's/.*"merge_job": "\(.*\)",/\1/p' submitted)
}
three_nodes=(--nodes=3 --tasks-per-node=1)

on_failure() {
  slurm scontrol show job "${job_id:-}"
  on n0 ps -eo pid,stat,etime,args | grep -v 'ps -eo'
  head -n 40 ./*.out
  tail -n 20 ./*.out "$cluster"/slurm/log/slurmctld
}
is_newer() { [ "$1" -nt "$2" ]; }
in_state() { [ "$(job_state "$1")" = "$2" ]; }
ended() {
  case $(job_state "$1") in
    COMPLETED) true ;;
    PENDING | RUNNING | COMPLETING | REQUEUED | SUSPENDED | "") false ;;
    *) fail "job $1 is $(job_state "$1"): $(slurm scontrol show job "$1"; tail -n 20 ./*.out)" ;;
  esac
}
completes() {  # STORE SECONDS WHAT
  until_true "$2" ended "$job_id"
  check_complete "$1" "$3"
}
restarts_of() { slurm scontrol show job "$job_id" | sed -n 's/.* Restarts=\([0-9]*\).*/\1/p'; }

scenario_srun() {
  submit srun.decant --launcher=srun "${three_nodes[@]}"
  completes srun.decant 60 "srun over 3 hosts"
}

scenario_mpirun() {
  submit mpirun.decant --launcher=mpirun "${three_nodes[@]}"
  completes mpirun.decant 60 "mpirun over 3 hosts"
}

# Slurm's warning before the time limit comes as USR1 to the script; Slurm itself checks the limit only every 30 s.
scenario_usr1() {
  local launcher
  for launcher in srun mpirun; do
    submit usr1_$launcher.decant --launcher=$launcher "${three_nodes[@]}"
    until_true 60 has_committed usr1_$launcher.decant 20
    slurm scancel --batch --signal=USR1 "$job_id"
    completes usr1_$launcher.decant 90 "USR1 to the script of $launcher, requeued by itself"
    [ "$(restarts_of)" -ge 1 ] || fail "the job was not requeued: $(cat usr1_$launcher.decant.out)"
  done
}

scenario_scancel() {
  submit scancel.decant --launcher=srun "${three_nodes[@]}"
  until_true 60 has_committed scancel.decant 20
  slurm scancel "$job_id"
  until_true 30 in_state "$job_id" CANCELLED
  check_sound scancel.decant "after scancel"
  submit scancel.decant --launcher=mpirun "${three_nodes[@]}"
  completes scancel.decant 60 "scancel, submitted again"
}

scenario_requeue() {
  submit requeue.decant --launcher=srun "${three_nodes[@]}"
  until_true 60 has_committed requeue.decant 20
  slurm scontrol requeue "$job_id"
  completes requeue.decant 90 "scontrol requeue"
  [ "$(restarts_of)" -ge 1 ] || fail "the job was not requeued"
}

scenario_node_down() {
  submit node_down.decant --launcher=srun "${three_nodes[@]}"
  until_true 60 has_committed node_down.decant 20
  slurm scontrol update nodename=n2 state=down reason=test
  completes node_down.decant 120 "a node set down, $(restarts_of) restarts"
}

scenario_host_dies() {
  submit host_dies.decant --launcher=mpirun "${three_nodes[@]}"
  until_true 60 has_committed host_dies.decant 20
  host_dies n2
  sleep 1
  host_returns n2
  start_slurmd n2
  completes host_dies.decant 120 "a host that died and returned"
}

# The host of the batch script: nobody there would see to the rest.
scenario_first_host_dies() {
  submit first.decant --launcher=srun "${three_nodes[@]}"
  until_true 60 has_committed first.decant 20
  host_dies n1
  sleep 1
  host_returns n1
  start_slurmd n1
  completes first.decant 300 "the first host died and returned, $(restarts_of) restarts"
}

scenario_controller_dies() {
  submit controller.decant --launcher=srun "${three_nodes[@]}"
  until_true 60 in_state "$job_id" RUNNING
  # What it has not saved yet it forgets: some 5 s.
  touch running
  until_true 60 is_newer "$cluster/slurm/state/job_state" running
  ! ended "$job_id" || fail "the job is too short"
  kill_controller
  sleep 2
  start_controller
  completes controller.decant 90 "slurmctld killed and started again"
}

# Parts of the spans as jobs of their own, then one that merges them.
scenario_array() {
  submit array.decant --array=4 --nodes=1 --tasks-per-node=1
  job_id=$merge_job_id
  completes array.decant 180 "an array of 4, merged"
}

shift 4
hosts_up 3
slurm_up
for scenario in "$@"; do
  case $scenario in controller_dies) make_job 150 ;; *) make_job 60 ;; esac
  scenario_"$scenario"
done
