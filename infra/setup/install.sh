#!/usr/bin/env bash
# Installs what the commands of the Makefile need and this machine lacks; says nothing when all is there:
# Debian packages (with sudo when not root), .venv, the Python packages of requirements-dev.txt, Azurite.
# .venv/installed remembers what was installed; delete .venv to start over.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# Two commands started together must not install into each other.
exec 9< infra/setup/install.sh
flock 9

PATH="$PATH:/usr/sbin:/sbin" # where Debian keeps servers, and a plain user's PATH does not look
log=$(mktemp "${TMPDIR:-/tmp}/dilux-install.XXXXXX")
failure=""
no_cluster_file=/etc/postgresql-common/createcluster.d/dilux-install.conf

stop() {
    failure=$1
    exit 1
}

at_exit() {
    local code=$?
    allow_clusters
    if [ "$code" = 0 ]; then
        rm -f "$log"
    elif [ -n "$failure" ]; then
        rm -f "$log"
        printf '%s\n' "$failure" >&2
    else
        printf 'failed. The end of %s:\n' "$log" >&2
        tail -n 20 "$log" >&2
    fi
}
trap at_exit EXIT

step() { # step TITLE COMMAND...: the command's output goes to the log, its time to the reader
    local title=$1 started=$SECONDS
    shift
    printf '%s ... ' "$title"
    "$@" >> "$log" 2>&1 < /dev/null 9>&- # what it starts must not keep the lock
    printf '%d s\n' $((SECONDS - started))
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

is_wanted_python() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2> /dev/null
}

wanted_python() { # prints the first Python on this machine that pyproject.toml allows
    local candidate
    for candidate in python3 python3.11 python3.12 /usr/bin/python3; do
        if is_wanted_python "$candidate"; then
            printf '%s' "$candidate"
            return
        fi
    done
}

has_venv() {
    [ -x .venv/bin/python ] && is_wanted_python .venv/bin/python && .venv/bin/python -m pip --version > /dev/null 2>&1
}

missing_packages() { # prints the Debian packages whose tools are not on this machine
    command -v make > /dev/null || printf ' make'
    command -v setpriv > /dev/null || printf ' util-linux'
    command -v stdbuf > /dev/null || printf ' coreutils'
    command -v igzip > /dev/null || printf ' isal'
    # The core package holds the server without the service that Debian would start.
    command -v mariadbd > /dev/null || printf ' mariadb-server-core'
    command -v mariadb-dump > /dev/null || printf ' mariadb-client'
    compgen -G '/usr/lib/postgresql/*/bin/initdb' > /dev/null || printf ' postgresql'
    if ! has_venv; then
        local python
        python=$(wanted_python)
        if [ -z "$python" ]; then
            printf ' python3 python3-venv'
        elif ! "$python" -c 'import ensurepip, venv' 2> /dev/null; then
            "$python" -c 'import sys; print(f" python{sys.version_info.major}.{sys.version_info.minor}-venv", end="")'
        fi
    fi
}

forbid_clusters() { # our own servers need PostgreSQL's programs, not the cluster that Debian would create and start
    as_root sh -c 'mkdir -p "$(dirname "$1")" && echo "create_main_cluster = false" > "$1"' - "$no_cluster_file"
}

allow_clusters() {
    [ -e "$no_cluster_file" ] || return 0
    as_root rm -f "$no_cluster_file"
    as_root rmdir --ignore-fail-on-non-empty "$(dirname "$no_cluster_file")"
}

install_packages() {
    as_root apt-get -q update
    forbid_clusters
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -q -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends "$@"
    allow_clusters
}

make_venv() {
    "$(wanted_python)" -m venv --clear .venv
}

install_python_packages() {
    .venv/bin/python -m pip install --no-input --disable-pip-version-check --require-hashes -r requirements-dev.txt
}

install_azurite() {
    npm ci --prefix local --no-audit --no-fund --no-update-notifier
}

stamp() {
    cat infra/setup/install.sh requirements-dev.txt local/package-lock.json | sha256sum
}

has_node() {
    command -v npm > /dev/null && node -e 'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)' 2> /dev/null
}

packages=$(missing_packages)
if [ -z "$packages" ] && has_node && has_venv && [ -d local/node_modules/azurite ] &&
    [ "$(cat .venv/installed 2> /dev/null)" = "$(stamp)" ]; then
    exit 0
fi

if ! has_node; then
    stop "Node.js 20 or newer with npm is needed; found: $(node --version 2> /dev/null || echo none). Install it and try again."
fi
if [ -z "$packages" ]; then
    echo '[1/4] Debian packages: all there'
elif ! command -v apt-get > /dev/null; then
    stop "This machine has no apt-get. Install what these Debian packages hold, then try again:$packages"
elif [ "$(id -u)" != 0 ] && ! command -v sudo > /dev/null; then
    stop "Debian packages are missing and there is no sudo. As root: apt-get install$packages"
else
    # shellcheck disable=SC2086 # one word per package
    step "[1/4] Debian packages:$packages" install_packages $packages
fi
if has_venv; then
    echo '[2/4] Python environment .venv: there'
else
    [ -n "$(wanted_python)" ] || stop 'Python 3.11 or 3.12 is needed; this Debian has neither.'
    step '[2/4] Python environment .venv' make_venv
fi
step '[3/4] Python packages of requirements-dev.txt' install_python_packages
step '[4/4] Azurite (npm)' install_azurite
stamp > .venv/installed
