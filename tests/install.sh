# Sourced by what needs more than Rust: `install NAME...` puts Debian's packages there, as root or by sudo;
# `need COMMAND:PACKAGE...` does it where a command is missing, `need_target TRIPLE` has Rust build for another system.

# Debian has some programs where only root looks for them.
PATH=$PATH:/usr/sbin:/sbin

as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)

install() {
    if ! command -v apt-get >/dev/null || ! { [ "$(id -u)" = 0 ] || command -v sudo >/dev/null; }; then
        echo "error: missing, and not to be installed without apt-get and root: $*" >&2
        return 1
    fi
    "${as_root[@]}" apt-get update -q
    # Debian would start a server of its own with the package: not for our sake.
    if [ "${1:-}" = postgresql ]; then
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends postgresql-common
        "${as_root[@]}" sed -i 's/^#\?create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
    fi
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends "$@"
}

need() {
    local each missing=()
    for each in "$@"; do
        command -v "${each%:*}" >/dev/null || missing+=("${each#*:}")
    done
    [ ${#missing[@]} = 0 ] || install "${missing[@]}"
}

need_target() {
    command -v rustup >/dev/null || { echo "error: rustup is missing: without it, Rust has to know $1 already" >&2; return 1; }
    rustup target list --installed | grep -qx "$1" || rustup target add "$1"
}
