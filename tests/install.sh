# Sourced by what needs a package of Debian's: `install NAME...`, as root or by sudo.

as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)

install() {
    "${as_root[@]}" apt-get update -q
    # Debian would start a server of its own with the package: not for our sake.
    if [ "${1:-}" = postgresql ]; then
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends postgresql-common
        "${as_root[@]}" sed -i 's/^#\?create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
    fi
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends "$@"
}
