#!/bin/bash
# GlusterFS as the file system that hosts share: one brick on the login node n0, a mount on each other host. Sourced after hosts.sh.
#
#   hosts_up 2; gluster_up           $gluster is the folder where each host, n1, n2, ..., has it; elsewhere that is empty
#   brick_dies; brick_returns        the process that keeps the files
#   cut_link n2                      also takes the files from a host
#
# A host that cannot reach the brick waits 3 s for it; then write() goes on to return ok, and fsync() fails.

gluster_up() {
  command -v glusterd >/dev/null && command -v glusterfs >/dev/null || skip "there is no GlusterFS (packages glusterfs-server, glusterfs-client)"
  [ -e /dev/fuse ] || skip "there is no FUSE here"
  local folder="$cluster/gluster" number
  gluster="$cluster/shared"
  mkdir -p "$folder"/{brick,state,log} "$gluster"
  on n0 "mount --bind $folder/state /var/lib/glusterd && mkdir -p /run/gluster &&
         glusterd --pid-file=$folder/glusterd.pid --log-file=$folder/log/glusterd"
  for _ in $(seq 100); do on n0 "gluster --mode=script volume info" >/dev/null 2>&1 && break; sleep 0.1; done
  on n0 "gluster --mode=script volume create shared n0:$folder/brick force &&
         gluster --mode=script volume set shared network.ping-timeout 3 &&
         gluster --mode=script volume start shared" >"$folder/log/volume" 2>&1 || { cat "$folder/log/volume" >&2; return 1; }
  for number in $(seq "$num_hosts"); do mount_gluster "n$number"; done
}

mount_gluster() { on "$1" "timeout 30 glusterfs --volfile-server=n0 --volfile-id=shared --log-file=$cluster/gluster/log/$1 $gluster && ls $gluster >/dev/null"; }

brick_dies() { on n0 "kill -KILL \$(cat /run/gluster/vols/shared/*.pid)"; }
brick_returns() { on n0 "gluster --mode=script volume start shared force" >/dev/null; }
