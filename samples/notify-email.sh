#!/bin/sh
# Tells somebody by e-mail how a run went: `--notify /etc/mutirao/notify-email.sh`. Needs a sendmail
# (postfix, msmtp, …) and jq.
set -eu
to=atendimento@example.com.br

notice=$(cat)
subject=$(printf '%s' "$notice" | jq -r '
    "mutirao: \(.batch // "fila") \(.event)\(if .reason then " (\(.reason))" else "" end)" | gsub("[\r\n]"; " ")')
{
    printf 'To: %s\nSubject: %s\nContent-Type: text/plain; charset=utf-8\n\n' "$to" "$subject"
    printf '%s' "$notice" | jq .
} | sendmail -t
