#!/usr/bin/env bash
# The web interface's own steps, each quick when there is nothing to do: `bash control-plane/web/make.sh build|check|test|protos`.
#
#   build   into dist/, from where the control plane's build takes it in; without Node it says so and leaves things as they are
#   check   types, lints and format
#   test    unit tests, then the browser tests against the programs in target/debug
#   protos  the protos, with the buf that the interface's clients are made with: their style, and that nothing breaks which
#           programs were promised (proto/published.binpb); `protos publish` promises what there is now
#
# Node is that of the parts (tests/parts/install.sh node), else the system's.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

say() { echo "web: $*" >&2; }

# The same rule as tests/parts/install.sh has.
cache_dir() {
    if [[ -n ${DATAGUARDIAN_CACHE:-} ]]; then
        echo "$DATAGUARDIAN_CACHE"
    elif [[ -n ${XDG_CACHE_HOME:-} ]]; then
        echo "$XDG_CACHE_HOME/dataguardian"
    elif [[ $(id -u) == 0 ]]; then
        echo /var/cache/dataguardian
    else
        echo "$HOME/.cache/dataguardian"
    fi
}

find_node() {
    local part
    part="$(cache_dir)/parts/node"
    [[ ! -x $part/node ]] || PATH=$part:$PATH
    command -v npm >/dev/null && node -e '
        const [major, minor] = process.versions.node.split(".").map(Number);
        process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1)' 2>/dev/null
}

# digest FILE_OR_FOLDER...: names and contents of all that is in them.
digest() { find "$@" -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum; }

# What is installed is what the lock file names.
install_packages() {
    local stamp=node_modules/.installed wanted
    wanted=$(digest package-lock.json package.json)
    [[ $(cat $stamp 2>/dev/null) != "$wanted" ]] || return 0
    say "installing packages"
    npm ci --no-progress --loglevel=error >&2
    echo "$wanted" >$stamp
}

# Anew only if something has changed: the program is compiled again whenever what it takes in is written.
build() {
    local stamp=dist/.built wanted
    wanted=$(digest package-lock.json vite.config.ts buf.gen.yaml index.html src/[!a]* src/app src/auth src/api/*.ts public scripts proto ../../proto/dataguardian)
    [[ $(cat $stamp 2>/dev/null) != "$wanted" ]] || return 0
    say "building the interface"
    install_packages
    npm run --silent build >&2
    echo "$wanted" >$stamp
}

# What was published is compared file by file, without a network and without any other commit, so that a fresh clone can do it.
# A change that breaks programs on purpose is published in its own commit: the diff shows it.
protos() {
    local buf=$PWD/node_modules/.bin/buf
    cd ../../proto
    if [[ ${1:-} == publish ]]; then
        "$buf" build --exclude-source-info -o published.binpb
        return
    fi
    "$buf" lint
    "$buf" breaking --against published.binpb || {
        say "this breaks programs that were written for the API as it was published. Where that is meant: make publish-protos, and CHANGELOG.md"
        exit 1
    }
}

main() {
    if ! find_node; then
        [[ $1 == build ]] || { say "Node.js 20.19 or later, with npm, is not here: bash tests/parts/install.sh node"; exit 3; }
        say "without Node.js 20.19 or later the programs are built without the web interface; 'make ui' installs it"
        return
    fi
    case $1 in
        build) build ;;
        check)
            install_packages
            npm run --silent generate
            npm run --silent check
            ;;
        test)
            install_packages
            npm run --silent generate
            npm test --silent
            node tests/run.mjs
            ;;
        protos)
            install_packages
            protos "${@:2}"
            ;;
        *) say "there are build, check, test and protos"; exit 1 ;;
    esac
}

main "${@:-build}"
