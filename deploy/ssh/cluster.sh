#!/usr/bin/env bash
# A Ray cluster of machines that SSH reaches, from a list of hosts.
#
#   deploy/ssh/cluster.sh up HOSTS        the first host of the file HOSTS is the head
#   deploy/ssh/cluster.sh down HOSTS      ends all of your Ray processes on the hosts
#
# HOSTS has one host per line, as ssh takes it (user@host, or a name of ~/.ssh/config); empty lines
# and what follows a # are passed over. On every host the project is installed under DIR, the same
# versions everywhere, and study folder, stage store and data lie under the same paths. With OUT, a
# study folder, each host is asked whether it shares that. A token that the head has in
# ~/.ray/auth_token is kept; the others get it there too. HEAD_IP is the head's address for the others
# where it has several.
set -euo pipefail

DIR=${DIR:-bimp-study}
PORT=${PORT:-6379}
SSH=${SSH:-ssh -o BatchMode=yes -o ConnectTimeout=10}
# What runs on the hosts finds the project's commands, as jobs do that `bimp submit` hands over.
ENVIRONMENT="export RAY_AUTH_MODE=token PATH=\"\$(cd $DIR/.venv/bin && pwd):\$PATH\""

usage() { sed -n '2,13p' "$0" >&2; exit 2; }
[[ $# -eq 2 && -r $2 ]] || usage
mapfile -t hosts < <(sed 's/#.*//; s/[[:space:]]//g; /^$/d' "$2")
((${#hosts[@]})) || { echo "cluster.sh: $2 must name at least one host, got none" >&2; exit 2; }

# ssh reads standard input, unless it is told not to.
on() { local host=$1; shift; $SSH -n "$host" "$@"; }
# The token goes over standard input, never into a command line that `ps` shows.
give_token() { printf '%s\n' "$token" | $SSH "$1" "umask 077; mkdir -p ~/.ray; cat > ~/.ray/auth_token"; }

up() {
    local head=${hosts[0]} ip host
    token=$(on "$head" "cat ~/.ray/auth_token 2>/dev/null || true")
    token=${token:-$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')}
    for host in "${hosts[@]}"; do give_token "$host"; done
    ip=${HEAD_IP:-$(on "$head" "hostname --all-ip-addresses" | awk '{print $1}')}
    trap 'echo "cluster.sh: not every host came up: ending those that did" >&2; trap - EXIT; down' EXIT
    on "$head" "$ENVIRONMENT; ray start --head --node-ip-address=$ip --port=$PORT --dashboard-host=127.0.0.1 --disable-usage-stats"
    for host in "${hosts[@]:1}"; do
        on "$host" "$ENVIRONMENT; ray start --address=$ip:$PORT --disable-usage-stats"
    done
    trap - EXIT
    echo "up: ${#hosts[@]} hosts, head $ip:$PORT"
    echo "on $head: RAY_AUTH_MODE=token $DIR/.venv/bin/bimp run STUDY --address $ip:$PORT --out SHARED/FOLDER"
    on "$head" "$ENVIRONMENT; bimp doctor --address $ip:$PORT${OUT:+ --out $(printf %q "$OUT")}"
}

down() {
    local host status=0
    for host in "${hosts[@]}"; do
        on "$host" "$ENVIRONMENT; ray stop" || { echo "cluster.sh: $host did not answer" >&2; status=1; }
    done
    return "$status"
}

case $1 in
    up) up ;;
    down) down ;;
    *) usage ;;
esac
