#!/bin/bash
# Hosts of their own on one machine: namespaces with own name, address, processes, /proc and /dev/shm on one switch. The file system
# is common to all, as on a cluster. Several sets of hosts live side by side; nothing of them has a name outside.
#
#   source hosts.sh; hosts_up 3      brings up n0 (the login node), n1, n2, n3; skips the test (77) where that is not allowed
#   on n2 'COMMAND'                  runs a command there; so does the program "$cluster/on", which mpirun takes for rsh
#   host_dies n2; host_returns n2    all its processes are killed; it comes back, empty, with the same address
#   cut_link n2; join_link n2        packets from and to it vanish; they flow again
#   hosts_down                       ends them all; they end, too, when the process that began them does
#
#   hosts.sh 3                       does the same for other programs: prints the folder with `on`; down at the end of stdin
#
# $cluster is their folder, which goes with them.

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

skip() { echo "skipped: $*"; exit 77; }

# What host_init runs as the first process of a host, or of the switch. All processes of all hosts are in n0's process namespace, so
# that they end with n0, and n0 finds them.
write_programs() {
  cat >"$cluster/host_init" <<INIT
#!/bin/bash
# host_init HOST: becomes the host's first process, which only reaps.
set -e
host=\$1
read -r init rest </proc/self/stat
echo "\$init" >'$cluster'/"\$host"/init
mount --make-rprivate /
mount -t proc proc /proc
hostname "\$host"
ip link set lo up
mount --bind '$cluster/addresses' /etc/hosts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run
[ "\$host" != n0 ] || : >/run/login_node
[ "\$host" != switch ] || { ip link add bridge type bridge; ip link set bridge up; }
: >'$cluster'/"\$host"/ready
trap '' INT HUP TERM
while :; do sleep infinity & wait; done
INIT
  cat >"$cluster/on" <<ON
#!/bin/bash
# on HOST COMMAND...: runs a command on a host, in the folder that it is called from.
host=\$1
if [ ! -e /run/login_node ]; then
  exec nsenter --target "\$(cat '$cluster/n0/init')" --pid --mount --wdns="\$PWD" -- '$cluster/on' "\$@"
fi
shift
init=\$(cat '$cluster'/"\$host"/init)
[ "\$host" != n0 ] || init=1
export TMPDIR='$cluster'/"\$host"/tmp
nsenter --target "\$init" --pid true 2>/dev/null || { echo "on: \$host cannot be reached" >&2; exit 255; }
exec nsenter --target "\$init" --net --uts --ipc --mount --pid --wdns="\$PWD" -- /bin/bash -c "\$*"
ON
  chmod +x "$cluster/host_init" "$cluster/on"
}

on() { "$cluster/on" "$@"; }

# start_host HOST PREFIX...: unshare is run by PREFIX.
start_host() {
  local host=$1 folder="$cluster/$1"
  shift
  mkdir -p "$folder/tmp"
  rm -f "$folder/ready"
  "$@" unshare --net --uts --ipc --mount --pid --kill-child --fork "$cluster/host_init" "$host" </dev/null >>"$folder/log" 2>&1 &
  disown $!
  for _ in $(seq 500); do
    [ ! -e "$folder/ready" ] || return 0
    sleep 0.01
  done
  return 1
}

# The host keeps its address and its MAC, so that the others' tables stay right when it returns.
plug_in() {
  local host=$1 number=${1#n}
  on n0 "ip link add to_$host netns $(cat "$cluster/switch/init") type veth \
           peer name eth0 address 02:00:00:00:00:$(printf %02x "$number") netns $(if [ "$host" = n0 ]; then echo 1; else cat "$cluster/$host/init"; fi)"
  join_link "$host"
  on "$host" "ip address add 10.77.0.$((10 + number))/24 dev eth0; ip link set eth0 up"
}

in_login_node() { nsenter --target "$(cat "$cluster/n0/init")" --pid --mount "$@"; }

hosts_up() {
  num_hosts=$1
  [ "$(id -u)" -eq 0 ] || skip "hosts are namespaces, which only root makes"
  command -v ip >/dev/null || skip "there is no ip (package iproute2)"
  unshare --net --uts --ipc --mount --pid --fork mount -t tmpfs tmpfs /dev/shm 2>/dev/null || skip "this root may not make namespaces"
  cluster=$(mktemp -d "${TMPDIR:-/tmp}/decant-cluster.XXXXXX")
  chmod 755 "$cluster"
  write_programs
  local number
  echo "127.0.0.1 localhost" >"$cluster/addresses"
  for number in $(seq 0 "$num_hosts"); do echo "10.77.0.$((10 + number)) n$number" >>"$cluster/addresses"; done
  start_host n0 setpriv --pdeathsig KILL || skip "no login node: $(cat "$cluster/n0/log")"
  start_host switch in_login_node || skip "no switch: $(cat "$cluster/switch/log")"
  plug_in n0 || skip "no network"
  for number in $(seq "$num_hosts"); do host_returns "n$number" || skip "no host n$number: $(cat "$cluster/n$number/log")"; done
}

hosts_down() {
  [ -n "${cluster:-}" ] || return 0
  local init
  init=$(cat "$cluster/n0/init" 2>/dev/null || echo none)
  kill -KILL "$init" 2>/dev/null || true
  for _ in $(seq 200); do [ -e "/proc/$init/ns/pid" ] && sleep 0.02 || break; done
  rm -rf "$cluster"
  cluster=
}

host_dies() { on n0 "kill -KILL $(cat "$cluster/$1/init")"; }

host_returns() {
  on_switch link delete "to_$1" 2>/dev/null || true
  start_host "$1" in_login_node && plug_in "$1"
}

on_switch() { on n0 "nsenter --target $(cat "$cluster/switch/init") --net ip $*"; }
cut_link() { on_switch link set "to_$1" nomaster; }
join_link() { on_switch link set "to_$1" master bridge up; }

# mpirun_on_hosts SLOTS ARGUMENTS...: a command for `on n0` that runs ranks on n1, n2, ..., at most so many on each. With these options
# mpirun notices after 3 + 3 * 1 s, instead of 480 s, that a link is cut.
keepalive=(--mca oob_tcp_keepalive_time 3 --mca oob_tcp_keepalive_intvl 1 --mca oob_tcp_keepalive_probes 3)
mpirun_on_hosts() {
  local slots=$1 number list=()
  shift
  for number in $(seq "$num_hosts"); do list+=("n$number:$slots"); done
  echo mpirun --bind-to none --map-by node --host "$(IFS=,; echo "${list[*]}")" \
    --mca plm_rsh_agent "$cluster/on" --mca plm_rsh_no_tree_spawn 1 "${keepalive[@]}" "$@"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  set -euo pipefail
  trap hosts_down EXIT
  hosts_up "${1:?how many hosts}"
  echo "$cluster"
  cat >/dev/null
fi
