# Where a batch is wanted, its names; where there are none, files.
_mutirao_batches() {
    local -a names
    names=("${(@f)$(mutirao batches 2>/dev/null)}")
    if [[ -n "${names[1]}" ]]; then
        compadd -a names
    else
        _files
    fi
}
