
# Where a batch is wanted, its names; where there are none, files.
_mutirao_and_batches() {
    _mutirao "$@"
    local word="${COMP_WORDS[COMP_CWORD]}" name
    case "${COMP_WORDS[1]}" in
        COMMANDS) ;;
        *) return ;;
    esac
    [[ $COMP_CWORD -lt 2 || $word == -* || ${COMP_WORDS[COMP_CWORD - 1]} == -* ]] && return
    COMPREPLY=()
    # Names are others' words: they are compared and quoted, and never expanded.
    while IFS= read -r name; do
        [[ $name == "$word"* ]] && COMPREPLY+=("$(printf '%q' "$name")")
    done < <("$1" batches 2>/dev/null)
}

complete -F _mutirao_and_batches -o bashdefault -o default mutirao
