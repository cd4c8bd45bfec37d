complete -c mutirao -n "__fish_seen_subcommand_from COMMANDS" -a "(mutirao batches 2>/dev/null)"
