#!/usr/bin/env bash
# Runs misar for a developer: starts it with the demo shop, keeps one secret key for the folder, prints a link
# to the live page and calls to paste.
# `just build` comes before it. The process lives as long as the server, passes INT, TERM and HUP on to it,
# and ends with its exit code.
#
# bash, for /dev/tcp: it asks the server over HTTP where neither curl nor python need be installed.
# Debian and Ubuntu cannot be without bash; macOS has 3.2, so nothing newer is used.
set -euo pipefail

misar=${CARGO_TARGET_DIR:-target}/release/misar
export MISAR_LISTEN=${MISAR_LISTEN:-127.0.0.1:8080}
export MISAR_DATA=${MISAR_DATA:-misar-data}
export MISAR_LOG_FORMAT=${MISAR_LOG_FORMAT:-text}
key_file=$MISAR_DATA/dev-secret-key
start_seconds=120 # after a crash, start-up reads the newest segment again

# ADDRESS: where to reach what listens there.
reachable() {
  case ${1%:*} in
    0.0.0.0 | '') printf '127.0.0.1:%s' "${1##*:}" ;;
    '[::]') printf '[::1]:%s' "${1##*:}" ;;
    *) printf '%s' "$1" ;;
  esac
}

# HOST:PORT: the file that bash connects with.
connection_to() {
  local host=${1%:*}
  host=${host#[}
  printf '/dev/tcp/%s/%s' "${host%]}" "${1##*:}"
}

is_taken() {
  (exec 3<>"$(connection_to "$(reachable "$1")")") 2>/dev/null
}

port=${MISAR_LISTEN##*:}
authority=$(reachable "$MISAR_LISTEN")
url=http://$authority
connect=$(connection_to "$authority")

main() {
  case $port in
    '' | 0 | *[!0-9]* | "$MISAR_LISTEN") die "MISAR_LISTEN must be an address and a port, such as 127.0.0.1:8080; it is $MISAR_LISTEN." ;;
  esac
  if is_taken "$MISAR_LISTEN"; then
    die "$MISAR_LISTEN is taken by another program: choose another port, for example MISAR_LISTEN=${MISAR_LISTEN%:*}:$((port + 1)) ./dev run."
  fi
  choose_shop
  # Job control gives the server a process group of its own: a Ctrl-C then reaches it once, through the trap.
  set -m
  "$misar" serve </dev/null &
  server=$!
  set +m
  trap 'signalled=1; kill -TERM "$server" 2>/dev/null || :' INT TERM HUP
  signalled=
  if wait_until_ready && have_key; then print_calls; fi
  end_with_server
}

# Sets MISAR_DEMO_LISTEN. The default moves on to a free port; what was asked for does not.
choose_shop() {
  local shop_port
  if [ -z "${MISAR_DEMO_LISTEN+set}" ]; then
    MISAR_DEMO_LISTEN=
    for shop_port in {8081..8099}; do
      if [ "$shop_port" = "$port" ] || is_taken "127.0.0.1:$shop_port"; then continue; fi
      MISAR_DEMO_LISTEN=127.0.0.1:$shop_port
      break
    done
  elif [ -n "$MISAR_DEMO_LISTEN" ]; then
    case ${MISAR_DEMO_LISTEN##*:} in
      '' | 0 | *[!0-9]* | "$MISAR_DEMO_LISTEN") die "MISAR_DEMO_LISTEN must be an address and a port, such as 127.0.0.1:8081, or empty for no demo shop; it is $MISAR_DEMO_LISTEN." ;;
    esac
    if is_taken "$MISAR_DEMO_LISTEN"; then
      die "$MISAR_DEMO_LISTEN is taken by another program: choose another address for the demo shop with MISAR_DEMO_LISTEN, or leave it empty for none."
    fi
  fi
  export MISAR_DEMO_LISTEN
}

# Polls /readyz; false when the server has ended or was told to.
wait_until_ready() {
  local deadline=$((SECONDS + start_seconds))
  while [ "$(status_of /readyz)" != 200 ]; do
    if [ -n "$signalled" ] || ! kill -0 "$server" 2>/dev/null; then return 1; fi
    if [ $SECONDS -ge $deadline ]; then
      give_up "misar is not ready after $start_seconds seconds: its log above says why."
    fi
    sleep 0.1
  done
}

# Sets `key`: the one kept in the folder if the server still takes it, else a new one.
have_key() {
  key=
  if [ -r "$key_file" ]; then
    key=$(cat "$key_file")
    case $(status_of '/v1/events?limit=1' "$key") in
      401 | 403) key= ;;
    esac
  fi
  if [ -n "$key" ]; then return; fi
  local answer pattern='"key": *"([^"]+)"'
  answer=$("$misar" keys create --scope admin --label dev --json --data "$MISAR_DATA") ||
    give_up "misar could not make a key: its message is above."
  [[ $answer =~ $pattern ]] || give_up "misar keys create --json printed no key."
  key=${BASH_REMATCH[1]}
  # The store keeps only a hash of it.
  (umask 077 && printf '%s\n' "$key" >"$key_file.new" && mv "$key_file.new" "$key_file")
}

# PATH [KEY]: the status of a GET, nothing if there was no answer. Every step is a builtin: a key given to
# a program would stand in the process list.
status_of() {
  (
    exec 3<>"$connect"
    printf 'GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s\r\n' \
      "$1" "$authority" "${2:+Authorization: Bearer $2$'\r\n'}" >&3
    IFS=' ' read -r -t 5 _ status _ <&3
    printf '%s' "$status"
    # To the end: a server should not see its answer refused.
    while read -r -t 5 _ <&3; do :; done
  ) 2>/dev/null || :
}

# Every call is one shell line, and names the ids that it needs: each works on its own, in this order.
print_calls() {
  local id now auth json link shop
  shop='none: MISAR_DEMO_LISTEN is empty, or no port from 8081 to 8099 was free'
  if [ -n "$MISAR_DEMO_LISTEN" ]; then shop=http://$(reachable "$MISAR_DEMO_LISTEN"); fi
  link=$("$misar" link --data "$MISAR_DATA") || link='none: the message above says why'
  id=$(new_uuid)
  now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
  auth="-H 'Authorization: Bearer $key'"
  json="-H 'Content-Type: application/json'"
  cat <<END

Demo shop: $shop
Live page: $link
  (it lets one browser in, once; \`misar link\` prints another)
Open both side by side: what you do in the shop arrives on the live page.

misar is ready at $url (API: $url/openapi.json · metrics: $url/metrics)
Its data is in $MISAR_DATA, this secret key in $key_file:
  $key
Ctrl-C stops it; the next ./dev run goes on with the same data and key.

# An event. 200 means that it is on disk.
curl -sS '$url/v1/track/event' \\
  $auth \\
  $json \\
  -d '{"id":"$id","email":"user@example.com","event":"trial_started","properties":{"plan":"pro","trialDays":14},"timestamp":"$now"}'

# A purchase. Pasted again it is a duplicate; with another revenue, a conflict.
curl -sS '$url/v1/track/purchase' \\
  $auth \\
  $json \\
  -d '{"email":"user@example.com","orderId":"order_1234","revenue":49.99,"currency":"USD","items":[{"id":"sku_1","name":"Pro plan","price":49.99,"quantity":1}],"messageId":"msg_welcome_1"}'

# A mail, registered: it comes back with a pixel, a tracked link and an unsubscribe link, ready to be sent.
curl -sS '$url/v1/messages' \\
  $auth \\
  $json \\
  -d '{"email":"user@example.com","messageId":"msg_welcome_1","campaignId":"welcome","html":"<p>Welcome! <a href=\\"https://shop.example/\\">Look around</a></p>"}'

# What came of it: opens and clicks of people and of machines, and the purchase above.
curl -sS '$url/v1/reports/messages/msg_welcome_1' \\
  $auth

# What became of the event.
curl -sS '$url/v1/receipts/$id' \\
  $auth

# The newest events, read once the view has reached the event: minSeq is the seq of its receipt.
curl -sS "$url/v1/events?limit=10&minSeq=\$(curl -sS '$url/v1/receipts/$id' \\
  $auth | sed -n 's/.*"seq": *"\([^"]*\)".*/\1/p')" \\
  $auth

END
}

new_uuid() {
  if [ -r /proc/sys/kernel/random/uuid ]; then cat /proc/sys/kernel/random/uuid; else uuidgen; fi
}

# A trapped signal interrupts `wait`; the server is then still draining.
end_with_server() {
  local code
  while :; do
    signalled=
    code=0
    wait "$server" || code=$?
    if [ -z "$signalled" ] || [ $code -le 128 ]; then exit $code; fi
  done
}

give_up() {
  kill -TERM "$server" 2>/dev/null || :
  wait "$server" || :
  die "$1"
}

die() {
  printf 'run: %s\n' "$1" >&2
  exit 1
}

main
