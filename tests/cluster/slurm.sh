#!/bin/bash
# A real Slurm over namespace hosts: slurmctld on the login node n0, a slurmd on each other host. Sourced after hosts.sh.
#
#   hosts_up 3; slurm_up             partition `all` with nodes n1, n2, n3 of two processors, idle when it returns
#   slurm sbatch job.sh              runs a command of Slurm on the login node
#   start_slurmd n2                  again, when its host has returned
#   kill_controller; start_controller
#   job_state JOB                    PENDING, RUNNING, COMPLETED, ...
#
# It ends with the hosts. Every wait of Slurm's is short: a dead node is noticed after 10 s, a requeued job waits 6 s.

slurm() { on n0 "export SLURM_CONF=$cluster/slurm/slurm.conf; $*"; }

write_slurm_conf() {
  local folder="$cluster/slurm" processors=${1:-2}
  cat >"$folder/slurm.conf" <<CONF
ClusterName=decant
SlurmctldHost=n0(10.77.0.10)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket,cred_expire=5
CredType=cred/munge
MpiDefault=pmix
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,sched_min_interval=100000,batch_sched_delay=0
ReturnToService=2
JobRequeue=1
SlurmctldTimeout=30
SlurmdTimeout=10
KillWait=5
MinJobAge=300
MessageTimeout=5
TCPTimeout=2
BatchStartTimeout=10
UnkillableStepTimeout=20
TreeWidth=65533
SlurmdParameters=config_overrides
TmpFS=$folder/tmp/%n
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool/%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd-%n.pid
SlurmctldLogFile=$folder/log/slurmctld
SlurmdLogFile=$folder/log/slurmd-%n
SlurmctldDebug=info
SlurmdDebug=info
SlurmctldSyslogDebug=quiet
SlurmdSyslogDebug=quiet
NodeName=n[1-$num_hosts] CPUs=$processors Sockets=1 CoresPerSocket=$processors ThreadsPerCore=1 RealMemory=4000 State=UNKNOWN
PartitionName=all Nodes=n[1-$num_hosts] Default=YES MaxTime=INFINITE State=UP
CONF
}

start_munge() {
  local folder="$cluster/slurm/munge"
  head -c 1024 /dev/urandom >"$folder/key"
  chmod 600 "$folder/key"
  on n0 "munged --force --num-threads=2 --key-file=$folder/key --socket=$folder/socket --pid-file=$folder/pid \
           --log-file=$folder/log --seed-file=$folder/seed" 2>>"$cluster/slurm/log/munged"
}

start_controller() { slurm "slurmctld -f $cluster/slurm/slurm.conf $*"; }
start_slurmd() { on "$1" "slurmd -N $1 -f $cluster/slurm/slurm.conf"; }
kill_controller() { on n0 "kill -KILL \$(cat $cluster/slurm/slurmctld.pid)"; }

slurm_up() {
  local folder="$cluster/slurm" host number
  command -v slurmctld >/dev/null && command -v slurmd >/dev/null || skip "there is no Slurm (package slurm-wlm)"
  mkdir -p "$folder"/{state,log,munge,spool,tmp}
  for number in $(seq "$num_hosts"); do mkdir -p "$folder"/{spool,tmp}/n"$number"; done
  write_slurm_conf "$@"
  start_munge
  start_controller -c
  for number in $(seq "$num_hosts"); do start_slurmd "n$number"; done
  for _ in $(seq 100); do
    [ "$(slurm sinfo --noheader --states=idle --format=%D 2>/dev/null)" != "$num_hosts" ] || return 0
    sleep 0.05
  done
  echo "FAILED: the nodes are not idle: $(slurm sinfo 2>&1; tail -n 3 "$folder"/log/*)" >&2
  return 1
}

job_state() { slurm scontrol show job "$1" 2>/dev/null | sed -n 's/^ *JobState=\([A-Z_]*\).*/\1/p' | head -1; }
