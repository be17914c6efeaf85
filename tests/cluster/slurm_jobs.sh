#!/bin/bash
# Jobs under a real Slurm of three hosts, disturbed in every way that a cluster has. Each ends complete, sound, and with the digest of an
# undisturbed store.
#   slurm_jobs.sh DECANT SOURCE STORE_LEDGER MAKE_STORE SCENARIO...
. "$(dirname "$0")/lib.sh"

# submit STORE LAUNCHER [OPTION...]: submits the job and sets job_id.
submit() {
  local store=$1 launcher=$2
  shift 2
  cat >"$store.sh" <<SBATCH
#!/bin/bash
#SBATCH --job-name=decant --nodes=3 --ntasks-per-node=1 --time=10
#SBATCH --signal=B:USR1@60 --requeue --open-mode=append --output=$work/$store.out
command=("$decant" produce labels.toml --labels.store=$store)
case $launcher in
  srun) srun --mpi=pmix "\${command[@]}" & ;;
  mpirun) mpirun --bind-to none "\${command[@]}" & ;;
esac
job=\$!
cancelled=
trap 'kill -USR1 \$job' USR1
trap 'cancelled=yes; kill -USR1 \$job' TERM
wait \$job; code=\$?
while kill -0 \$job 2>/dev/null; do wait \$job; code=\$?; done
[ \$code -le 7 ] || [ \$cancelled ] || scontrol requeue \$SLURM_JOB_ID
exit \$code
SBATCH
  job_id=$(slurm sbatch --parsable "$*" "$store.sh")
}

on_failure() { slurm scontrol show job "${job_id:-}"; tail -n 20 ./*.out "$cluster"/slurm/log/slurmctld; }
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
  submit srun.decant srun
  completes srun.decant 60 "srun over 3 hosts"
}

scenario_mpirun() {
  submit mpirun.decant mpirun
  completes mpirun.decant 60 "mpirun over 3 hosts"
}

# Slurm's warning before the time limit comes as USR1 to the script; Slurm itself checks the limit only every 30 s.
scenario_usr1() {
  local launcher
  for launcher in srun mpirun; do
    submit usr1_$launcher.decant $launcher
    until_true 60 has_committed usr1_$launcher.decant 20
    slurm scancel --batch --signal=USR1 "$job_id"
    completes usr1_$launcher.decant 90 "USR1 to the script of $launcher, requeued by itself"
    [ "$(restarts_of)" -ge 1 ] || fail "the job was not requeued: $(cat usr1_$launcher.decant.out)"
  done
}

scenario_scancel() {
  submit scancel.decant srun
  until_true 60 has_committed scancel.decant 20
  slurm scancel "$job_id"
  until_true 30 in_state "$job_id" CANCELLED
  check_sound scancel.decant "after scancel"
  submit scancel.decant mpirun
  completes scancel.decant 60 "scancel, submitted again"
}

scenario_requeue() {
  submit requeue.decant srun
  until_true 60 has_committed requeue.decant 20
  slurm scontrol requeue "$job_id"
  completes requeue.decant 90 "scontrol requeue"
  [ "$(restarts_of)" -ge 1 ] || fail "the job was not requeued"
}

scenario_node_down() {
  submit node_down.decant srun
  until_true 60 has_committed node_down.decant 20
  slurm scontrol update nodename=n2 state=down reason=test
  completes node_down.decant 120 "a node set down"
  [ "$(restarts_of)" -ge 1 ] || fail "the job was not requeued"
}

scenario_host_dies() {
  submit host_dies.decant mpirun
  until_true 60 has_committed host_dies.decant 20
  host_dies n2
  sleep 1
  host_returns n2
  start_slurmd n2
  completes host_dies.decant 120 "a host that died and returned"
}

scenario_controller_dies() {
  submit controller.decant srun
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

slurm_up_with_job() {
  make_job
  hosts_up 3
  slurm_up
}

shift 4
slurm_up_with_job
for scenario in "$@"; do scenario_"$scenario"; done
