#!/bin/sh
# Tells healthchecks.io how a run went, so that one that never came is noticed, too:
# `--notify /etc/mutirao/notify-healthchecks.sh`. Needs curl and jq.
#
# /etc/mutirao/healthchecks-url has the check's ping URL, and mode 0600: who knows it can ping.
set -eu
url=$(cat /etc/mutirao/healthchecks-url)
notice=$(cat)

case $MUTIRAO_EVENT in
    # 0 is a success there, all else a failure.
    finished | stopped) url=$url/$(printf '%s' "$notice" | jq -r .exit_code) ;;
    halted | failed) url=$url/fail ;;
    *) url=$url/log ;;
esac
printf 'url = "%s"\n' "$url" |
    curl --silent --show-error --fail --max-time 8 --retry 2 --data-raw "$notice" --config - >/dev/null
