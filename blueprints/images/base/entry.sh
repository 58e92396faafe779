# Sourced by the entry points of our images (`. /opt/headrace/entry.sh`); POSIX sh.
#
# Headrace gives every container: HOST (the address others connect to), BIND_ADDRESS (the address to listen on),
# PORT_<NAME> for each of its ports, HEADRACE_SLOT and HEADRACE_EPOCH (the number of this start of the slot).
# Nothing here has a default for an address or a port. Exit code 64: this start was refused, repeating it is useless.
set -eu
umask 027

refuse() {
  echo "$(basename "$0"): $*" >&2
  exit 64
}

# need NAME…: refuses, naming every variable that is missing or empty.
need() {
  missing=
  for name; do
    eval "value=\${$name:-}"
    [ -n "$value" ] || missing="$missing $name"
  done
  [ -z "$missing" ] || refuse "not set in the environment:$missing"
}

# enter FOLDER: claims the data volume for this life of the slot. A later life has a greater epoch and leaves it in a
# file of the volume; an earlier life that comes back (an agent thought dead) finds that and must not touch the data.
enter() {
  need HEADRACE_EPOCH
  case $HEADRACE_EPOCH in *[!0-9]*) refuse "HEADRACE_EPOCH=$HEADRACE_EPOCH is no whole number" ;; esac
  [ -d "$1" ] && [ -w "$1" ] || refuse "$1 is no folder that user $(id -u) may write: mount a volume that it owns"
  seen=0
  if [ -s "$1/.headrace-epoch" ]; then read -r seen < "$1/.headrace-epoch"; fi
  case $seen in *[!0-9]*) refuse "$1/.headrace-epoch is damaged (\"$seen\"): it must hold one whole number" ;; esac
  if [ "$seen" -gt "$HEADRACE_EPOCH" ]; then
    refuse "epoch $HEADRACE_EPOCH of this slot is over, epoch $seen has already run on $1: its data is not touched"
  fi
  echo "$HEADRACE_EPOCH" > "$1/.headrace-epoch.new"
  sync "$1/.headrace-epoch.new"
  mv "$1/.headrace-epoch.new" "$1/.headrace-epoch"
  sync "$1"
}
