#!/bin/sh
# Tells a Telegram chat how a run went: `--notify /etc/mutirao/notify-telegram.sh`. Needs curl and jq.
#
# /etc/mutirao/telegram has two lines, and mode 0600 (the user that runs mutirao must be able to read it):
#   token=123456:ABC…        of @BotFather
#   chat=-1001234567890      where to write
set -eu
. "${TELEGRAM_SETTINGS:-/etc/mutirao/telegram}"

# As a line of curl's own settings: a string in quotation marks, as JSON has them.
text=$(jq '
    {finished: "✅ terminou", stopped: "⏹ alguém mandou parar", halted: "⛔ parou sozinho",
     failed: "❌ não conseguiu continuar", paused: "⏸ sem avançar há minutos"}[.event] as $event
    | [ "\(.batch // "fila"): \($event)\(if .reason then " (\(.reason))" else "" end)",
        "\(.counts.opened) abertos, \(.counts.rejected + .counts.failed) recusados, \(.counts.invalid) inválidos",
        (.refusals | to_entries[] | "\(.value)× \(.key)") ]
    | "text=" + join("\n")')

# On standard input, the token is in no list of processes.
curl --silent --show-error --fail --max-time 8 --config - <<CONFIG
url = "https://api.telegram.org/bot$token/sendMessage"
data-urlencode = "chat_id=$chat"
data-urlencode = $text
CONFIG
