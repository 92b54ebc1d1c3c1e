#!/usr/bin/env bash
# Shows the main job on this machine: a real PostgreSQL is backed up by an agent under a control plane, restored under
# another name, and compared row by row. Everything runs in a temporary directory on free ports of 127.0.0.1.
#
#   make quickstart            stops everything and removes the directory at the end
#   KEEP=1 make quickstart     leaves all running, and prints how to go on
#   ROWS=1000000 …             more orders in the sample shop (200,000 otherwise)
#
# Exit status: 0 restored and equal, 3 something must be installed by root first, 1 anything else.
set -euo pipefail
umask 022
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source examples/quickstart/steps.sh

readonly ROWS=${ROWS:-200000} KEEP=${KEEP:-}
readonly BIN=$PWD/target/debug
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-auto}

main() {
    step "Install what is missing" .ci/prepare postgres-15
    step "Build (minutes the first time, seconds later)" cargo build --locked --workspace --bins --quiet
    make_directory
    step "Start a throw-away PostgreSQL 15" start_postgres
    step "Load the sample: every awkward type, and $ROWS orders of a shop" load_sample
    step "Start the control plane" start_control_plane
    step "Make the first administrator and sign in" set_up
    step "Enroll and start an agent" start_agent
    step "Name storage, datasource and job" create_resources
    show "Back up" dgctl job run nightly --wait
    show "What is in the backup" contents
    show "Restore it as shop_restored" dgctl restore --backup latest --datasource main --database shop=shop_restored --wait
    show "Compare source and restored, row by row" compare
    summary
    [[ -z $KEEP ]] || how_to_go_on
}

# The directory's path is short, since a Unix socket's may not be long; others may enter it, since PostgreSQL runs as
# another account if we are root.
make_directory() {
    WORK=$(mktemp -d "${TMPDIR:-/tmp}/dg-quickstart.XXXXXX")
    chmod 755 "$WORK"
    mkdir -m 700 "$WORK/secrets" "$WORK/config"
    mkdir "$WORK/logs"
    export XDG_CONFIG_HOME=$WORK/config PATH=$BIN:$PATH
    unset DATAGUARDIAN_SERVER DATAGUARDIAN_CA DATAGUARDIAN_TOKEN DATAGUARDIAN_CONFIG DATAGUARDIAN_DATABASE_URL
    LOGS=$WORK/logs
}

start_postgres() {
    background postgres "$BIN/private-postgres" 15
    wait_for "PostgreSQL" postgres_is_up
    # shellcheck disable=SC1091  # it is written as we go
    source "$LOGS/postgres.out"
    printf '%s\n' "$PGPASSWORD" | private_file "$WORK/secrets/database-password"
}

postgres_is_up() {
    is_running postgres || return 2
    grep -q '^export PATH' "$LOGS/postgres.out" || return 1
}

load_sample() {
    local psql=(psql --no-psqlrc --quiet --set ON_ERROR_STOP=1)
    export PGOPTIONS='-c client_min_messages=warning'
    "${psql[@]}" --dbname postgres --file tests/sql/awkward-cluster.sql
    createdb --template template0 shop
    # The awkward sample comes second: an event trigger of its refuses further tables. It also gives the database another
    # time zone, in which a restore will compute the materialised view anew; so the source does, too.
    "${psql[@]}" --dbname shop --set rows="$ROWS" --file tests/sql/bulk.sql
    "${psql[@]}" --dbname shop --file tests/sql/awkward.sql
    "${psql[@]}" --dbname shop --command 'REFRESH MATERIALIZED VIEW shop.by_month'
    unset PGOPTIONS
}

# Ports may be taken between our look and the server's: then others are tried.
start_control_plane() {
    local try
    for try in 1 2 3; do
        API_PORT=$(free_port) AGENT_PORT=$(free_port)
        background control-plane "$BIN/dataguardian" serve --data-dir "$WORK/control-plane" \
            --api-listen "127.0.0.1:$API_PORT" --agent-listen "127.0.0.1:$AGENT_PORT"
        if wait_for "the control plane" control_plane_is_up; then
            export DATAGUARDIAN_SERVER=https://127.0.0.1:$API_PORT DATAGUARDIAN_CA=$WORK/control-plane/ca.pem
            return
        fi
        grep -qi 'address.*in use' "$LOGS/control-plane".* || return 1
        echo "try $try: a port was taken in the meantime" >&2
    done
    return 1
}

control_plane_is_up() {
    is_running control-plane || return 2
    [[ -s $WORK/control-plane/ca.pem && -s $WORK/control-plane/setup-token ]] && port_answers "$API_PORT"
}

set_up() {
    random_text | private_file "$WORK/secrets/admin-password"
    dgctl setup --setup-token-file "$WORK/control-plane/setup-token" \
        --username admin --password-file "$WORK/secrets/admin-password"
}

start_agent() {
    local pin
    dgctl agent token create --name quickstart --save-token "$WORK/secrets/join-token" >"$LOGS/join-token.out"
    pin=$(grep -o 'sha256:[0-9a-f]*' "$LOGS/join-token.out" | head -n 1)
    dataguardian-agent enroll --server "$DATAGUARDIAN_SERVER" --ca-pin "$pin" \
        --token-file "$WORK/secrets/join-token" --state-dir "$WORK/agent" --name quickstart
    background agent "$BIN/dataguardian-agent" run --state-dir "$WORK/agent"
    wait_for "the agent" agent_is_connected
}

agent_is_connected() {
    is_running agent || return 2
    dgctl agent get quickstart -o json | grep -q '"connected": true'
}

create_resources() {
    dgctl storage create local --name vault --agent quickstart --path "$WORK/vault"
    dgctl datasource create postgres --name main --agent quickstart --host 127.0.0.1 --port "$PGPORT" \
        --username "$PGUSER" --password-file "$WORK/secrets/database-password" --database shop
    dgctl datasource test main
    dgctl job create --name nightly --datasource main --storage vault
}

# The first streams, and the shop's tables.
contents() {
    dgctl backup list
    dgctl backup contents latest --datasource main --limit 0 >"$LOGS/contents.out"
    printf '\n'
    sed -n '1,4p; / shop\./p' "$LOGS/contents.out"
    echo "… $(($(wc -l <"$LOGS/contents.out") - 1)) streams in all"
}

compare() { compare-databases postgresql:///shop postgresql:///shop_restored | tee "$LOGS/compare.out"; }

summary() {
    dgctl backup get latest --datasource main >"$LOGS/backup.out"
    printf '\n%sThe backup restores, and is equal to its source.%s\n\n' "$BOLD" "$PLAIN"
    {
        sed -n -E 's/^(Raw|Stored|Tables|Rows|Encrypted|Copies) +/\1|/p' "$LOGS/backup.out"
        echo "Restored and compared|$(sed -n 's/^databases equal: //p' "$LOGS/compare.out")"
        steps_table
    } | awk -F '|' '{ printf "  %-24s %s\n", $1, $2 }'
    cat <<END

  Where to look next: README.md for the walk-through by hand, 'dgctl --help' for the words,
  KEEP=1 make quickstart to try them on what has just run.
END
}

how_to_go_on() {
    cat <<END

Everything is still running. In another shell:

  export PATH=$BIN:\$PATH XDG_CONFIG_HOME=$XDG_CONFIG_HOME
  export DATAGUARDIAN_SERVER=$DATAGUARDIAN_SERVER DATAGUARDIAN_CA=$DATAGUARDIAN_CA
  source $LOGS/postgres.out

  dgctl agent list
  dgctl job run nightly --wait
  dgctl execution list
  dgctl restore --backup latest --datasource main --scratch --wait
  psql shop_restored

Logs are in $LOGS. To stop everything and remove it:

  kill $(pids); sleep 3; rm -rf $WORK
END
}

main
