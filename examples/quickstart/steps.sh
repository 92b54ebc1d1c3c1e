# What run.sh is made of: steps that show their time, programs in the background that are stopped by their process id, and
# an end that cleans up. Sourced, not run.

WORK='' LOGS=''
declare -A PIDS=()
declare -a TIMES=()
BOLD='' PLAIN=''
if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
    BOLD=$'\e[1m' PLAIN=$'\e[0m'
fi

# Where we speak, whatever a step's own output is redirected to.
exec 8>&1 9>&2

now_ms() { echo $(($(date +%s%N) / 1000000)); }

seconds_since() {
    local ms=$(($(now_ms) - $1))
    printf '%d.%d s' $((ms / 1000)) $((ms % 1000 / 100))
}

# step TITLE COMMAND...: runs it quietly; what it says is shown only if it fails.
step() { run_step quiet "$@"; }

# show TITLE COMMAND...: runs it and lets it speak.
show() { run_step aloud "$@"; }

run_step() {
    local how=$1 title=$2 began status=0
    shift 2
    began=$(now_ms)
    STEP=$title
    if [[ $how == aloud ]]; then
        printf '\n%s%s%s\n' "$BOLD" "$title" "$PLAIN"
        "$@"
        printf '(%s)\n' "$(seconds_since "$began")"
    else
        printf '%s%s%s … ' "$BOLD" "$title" "$PLAIN"
        SAID=$(mktemp "${TMPDIR:-/tmp}/dg-quickstart-said.XXXXXX")
        "$@" >"$SAID" 2>&1
        rm -f "$SAID"
        SAID=''
        printf '%s\n' "$(seconds_since "$began")"
    fi
    TIMES+=("$title|$(seconds_since "$began")")
    STEP=''
}

steps_table() {
    local line
    for line in "${TIMES[@]}"; do
        case $line in
            'Back up|'*) echo "Time of the backup|${line#*|}" ;;
            Restore*) echo "Time of the restore|${line#*|}" ;;
            Compare*) echo "Time of the comparison|${line#*|}" ;;
        esac
    done
    echo "Time in all|$SECONDS s"
}

# background NAME COMMAND...: starts it in a process group of its own, so that Ctrl-C reaches it only through us.
background() {
    local name=$1
    shift
    setsid "$@" >"$LOGS/$name.out" 2>"$LOGS/$name.err" </dev/null 8>&- 9>&- &
    PIDS[$name]=$!
    disown
}

is_running() { kill -0 "${PIDS[$1]}" 2>/dev/null; }

pids() { echo "${PIDS[@]}"; }

# wait_for WHAT COMMAND...: until it succeeds; gives up after a minute, or at once if it answers 2: that is over.
wait_for() {
    local what=$1 deadline=$((SECONDS + 60)) status
    shift
    while true; do
        status=0
        "$@" >/dev/null 2>&1 || status=$?
        [[ $status != 0 ]] || return 0
        [[ $status != 2 ]] || { echo "$what ended early; its log is below" >&2; return 1; }
        ((SECONDS < deadline)) || { echo "$what did not come up within a minute" >&2; return 1; }
        sleep 0.1
    done
}

# A port of 127.0.0.1 that nothing listens on right now.
free_port() {
    local port
    while true; do
        port=$((20000 + RANDOM % 10000))
        port_answers "$port" || { echo "$port"; return; }
    done
}

port_answers() { (: <>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# private_file PATH: standard input into a file that only we can read.
private_file() { (umask 077 && cat >"$1"); }

random_text() { head -c 24 /dev/urandom | base64 | tr -d '\n/+='; }

# The last lines that each program in the background wrote.
end_of_logs() {
    local name
    for name in "${!PIDS[@]}"; do
        [[ -s $LOGS/$name.err ]] || continue
        printf -- '--- the end of %s\n' "$LOGS/$name.err"
        tail -n 12 "$LOGS/$name.err"
    done >&2
}

stop_all() {
    local name signal
    # The agent first, then who it talks to. PostgreSQL's keeper cleans up after it when it is interrupted.
    for name in agent control-plane postgres; do
        [[ -n ${PIDS[$name]:-} ]] || continue
        signal=$([[ $name == postgres ]] && echo INT || echo TERM)
        kill -"$signal" "${PIDS[$name]}" 2>/dev/null || continue
        local deadline=$((SECONDS + 25))
        while is_running "$name" && ((SECONDS < deadline)); do sleep 0.1; done
        kill -KILL "${PIDS[$name]}" 2>/dev/null || true
    done
}

# Whatever the way out: tell what failed, stop what runs, leave nothing but the logs of a failure.
at_exit() {
    local status=$?
    trap - EXIT
    exec 1>&8 2>&9
    if [[ $status != 0 ]]; then
        printf '\n%s%s failed.%s\n' "$BOLD" "${STEP:-The quickstart}" "$PLAIN" >&2
        [[ -z ${SAID:-} || ! -s $SAID ]] || tail -n 40 "$SAID" >&2
        end_of_logs
    fi
    rm -f "${SAID:-}"
    if [[ $status == 0 && -n ${KEEP:-} ]]; then
        exit 0
    fi
    stop_all
    if [[ -n $WORK && $status != 0 ]]; then
        local kept
        kept=$(mktemp -d "${TMPDIR:-/tmp}/dg-quickstart-logs.XXXXXX")
        cp -r "$LOGS/." "$kept/"
        echo "The logs are in $kept" >&2
    fi
    [[ -z $WORK ]] || rm -rf "$WORK"
    exit "$status"
}
trap at_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
