#!/bin/sh
# Tries deploy/nginx.conf and deploy/Caddyfile as they stand, but for the names, ports and certificates: in front of a
# misar of this checkout, and of a server that says which headers reached it.
#   scripts/try-proxies.sh [MISAR]
set -eu
cd "$(dirname "$0")/.."
misar=$PWD/${1:-${CARGO_TARGET_DIR:-target}/debug/misar}
work=$(mktemp -d)
pids=
trap 'kill $pids 2>/dev/null || :; wait 2>/dev/null || :; rm -rf "$work"' EXIT

main() {
  for proxy in nginx caddy; do
    if ! PATH=$PATH:/usr/sbin command -v $proxy >/dev/null; then
      echo "skipped: there is no $proxy here"
      continue
    fi
    try $proxy misar
    try $proxy echo
  done
}

# PROXY UPSTREAM
try() {
  proxy=$1 upstream=$2
  port=$(free_port) front=$(free_port)
  rm -rf "$work/data"
  if [ "$upstream" = misar ]; then
    key=$("$misar" keys create --scope send,read --data "$work/data" | sed -n 's/^ *\(msk_sec_[0-9A-Za-z]*\).*/\1/p')
    "$misar" serve --data "$work/data" --listen "127.0.0.1:$port" --public-url https://track.example \
      --trusted-proxy 127.0.0.1 --log-format json 2>"$work/misar.log" &
  else
    python3 -c "$echo_server" "$port" &
  fi
  server=$!
  start_$proxy
  pids="$server $front_pid"
  until curl -sf -o /dev/null "http://127.0.0.1:$front/healthz"; do sleep 0.1; done
  check_$upstream
  kill $pids
  wait $pids 2>/dev/null || :
  pids=
}

start_nginx() {
  # Without TLS and the redirect; the upstream is where this script has it.
  sed -e "s/127.0.0.1:8080;/127.0.0.1:$port;/" -e "s/listen 443 ssl;/listen 127.0.0.1:$front;/" \
    -e '/listen \[::\]:/d' -e '/ssl_certificate/d' -e '/^server {$/,/^}$/{/listen 80;/,/^}$/!b;d}' \
    deploy/nginx.conf >"$work/site.conf"
  # What is left of the redirect's server is an opening line.
  sed -i -e '${/^server {$/d}' "$work/site.conf"
  # Started by root, it would work as a user who may not write here.
  if [ "$(id -u)" = 0 ]; then user='user root;'; else user=; fi
  cat >"$work/nginx.conf" <<END
$user
pid $work/nginx.pid;
error_log $work/nginx-error.log;
events {}
http {
  access_log off;
  client_body_temp_path $work/body;
  proxy_temp_path $work/proxy;
  fastcgi_temp_path $work/fastcgi;
  uwsgi_temp_path $work/uwsgi;
  scgi_temp_path $work/scgi;
  include $work/site.conf;
}
END
  PATH=$PATH:/usr/sbin nginx -q -t -c "$work/nginx.conf" 2>"$work/nginx-test.log" || { cat "$work/nginx-test.log"; exit 1; }
  PATH=$PATH:/usr/sbin nginx -g 'daemon off;' -c "$work/nginx.conf" &
  front_pid=$!
}

start_caddy() {
  {
    echo "{ admin off"
    echo "}"
    sed -e "s/^track.example {/http:\/\/127.0.0.1:$front {/" -e "s/127.0.0.1:8080 {/127.0.0.1:$port {/" deploy/Caddyfile
  } >"$work/Caddyfile"
  HOME=$work XDG_DATA_HOME=$work XDG_CONFIG_HOME=$work \
    caddy run --config "$work/Caddyfile" --adapter caddyfile 2>"$work/caddy.log" &
  front_pid=$!
}

check_misar() {
  base=http://127.0.0.1:$front
  event='{"email":"ada@example.com","event":"plan_viewed"}'
  send() { curl -s -H "Authorization: Bearer $key" -H 'Content-Type: application/json' "$@"; }
  send -N --max-time 20 "$base/v1/live" >"$work/live" &
  live=$!
  # The stream is open once its first line is there.
  wait_for 10 test -s "$work/live"
  answer=$(send -d "$event" "$base/v1/track/event")
  case $answer in *'"tracked":true'*) ;; *) fail "an event: $answer" ;; esac
  wait_for 2 grep -q plan_viewed "$work/live"
  kill $live
  [ "$(status "$base/metrics")" = 404 ] || fail "/metrics is open to the world"
  head -c 2000000 /dev/zero | tr '\0' ' ' >"$work/large"
  answer=$(send --data-binary "@$work/large" "$base/v1/track/event")
  case $answer in *'"success":false'*) ;; *) fail "a large body is not answered by misar: $answer" ;; esac
  head -c 34000000 /dev/zero >"$work/large"
  refused=$(send -o /dev/null -w '%{http_code}' --data-binary "@$work/large" "$base/v1/messages" || :)
  [ "$refused" = 413 ] || fail "a body of 34 MB: $refused"
  echo "$proxy before misar: events, the live stream at once, limits, no /metrics"
}

check_echo() {
  seen=$(curl -s -H 'Host: track.example' -H 'X-Forwarded-For: 6.6.6.6' "http://127.0.0.1:$front/") || :
  if [ "$proxy" = caddy ]; then
    # Its site here is an address, so that it answers for that name alone.
    seen=$(curl -s -H 'X-Forwarded-For: 6.6.6.6' "http://127.0.0.1:$front/")
    expected_host=127.0.0.1
  else
    expected_host=track.example
  fi
  echo "$seen" | grep -qx 'X-Forwarded-For: 127.0.0.1' || fail "X-Forwarded-For is not the client's address: $seen"
  echo "$seen" | grep -q "^Host: $expected_host" || fail "the Host header does not pass: $seen"
  echo "$proxy before an echo: X-Forwarded-For is the client's, whatever it says; Host passes"
}

# SECONDS COMMAND...
wait_for() {
  tries=$(($1 * 20))
  shift
  while ! "$@"; do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || fail "$* never came true"
    sleep 0.05
  done
}

status() {
  curl -s -o /dev/null -w '%{http_code}' "$1"
}

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

fail() {
  echo "$proxy: $*" >&2
  tail -n 5 "$work"/*.log >&2 || :
  exit 1
}

echo_server='
import http.server, sys
class Echo(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = "".join(f"{name}: {value}\n" for name, value in self.headers.items()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Echo).serve_forever()
'

main
