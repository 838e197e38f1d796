#!/usr/bin/env bash
# A Ray cluster of machines that SSH reaches, from a list of hosts.
#
#   deploy/ssh/cluster.sh up HOSTS        the first host of the file HOSTS is the head
#   deploy/ssh/cluster.sh down HOSTS
#
# HOSTS has one host per line, as ssh takes it (user@host, or a name of ~/.ssh/config); empty lines
# and what follows a # are passed over. On every host the project is installed under DIR, the same
# versions everywhere, and study folder, stage store and data lie under the same paths.
set -euo pipefail

DIR=${DIR:-bimp-study}
PORT=${PORT:-6379}
SSH=${SSH:-ssh -o BatchMode=yes -o ConnectTimeout=10}
RAY="$DIR/.venv/bin/ray"

usage() { sed -n '2,10p' "$0" >&2; exit 2; }
[[ $# -eq 2 && -r $2 ]] || usage
mapfile -t hosts < <(sed 's/#.*//; s/[[:space:]]//g; /^$/d' "$2")
((${#hosts[@]})) || { echo "cluster.sh: $2 must name at least one host, got none" >&2; exit 2; }

# The token goes over standard input, never into a command line that `ps` shows.
on() { local host=$1; shift; $SSH "$host" "$@"; }
with_token() { printf '%s\n' "$token" | on "$1" "umask 077; mkdir -p ~/.ray; cat > ~/.ray/auth_token"; }

up() {
    local head=${hosts[0]} ip host
    token=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
    for host in "${hosts[@]}"; do with_token "$host"; done
    ip=${HEAD_IP:-$(on "$head" "hostname --all-ip-addresses" | awk '{print $1}')}
    on "$head" "RAY_AUTH_MODE=token $RAY start --head --node-ip-address=$ip --port=$PORT --dashboard-host=127.0.0.1 --disable-usage-stats"
    for host in "${hosts[@]:1}"; do
        on "$host" "RAY_AUTH_MODE=token $RAY start --address=$ip:$PORT --disable-usage-stats"
    done
    echo "up: ${#hosts[@]} hosts, head $ip:$PORT"
    echo "on $head: cd $DIR && RAY_AUTH_MODE=token .venv/bin/bimp run STUDY --address $ip:$PORT --out SHARED/FOLDER"
}

down() {
    local host
    for host in "${hosts[@]}"; do on "$host" "$RAY stop" || echo "cluster.sh: $host did not answer" >&2; done
}

case $1 in
    up) up ;;
    down) down ;;
    *) usage ;;
esac
