#!/bin/sh
# A Postfix of a test's own: FOLDER PORT ADDRESS…
#
# Takes mail for the addresses on a port of 127.0.0.1 and delivers it into FOLDER/mail/ADDRESS/, a maildir each;
# mail for anybody else is refused, so that nothing leaves the machine. Configuration, queue and log lie in
# FOLDER too; the system's own mail, where there is any, is not touched. Ends when its standard input does,
# and takes what it wrote with it. Its programs are those in .tools, where `./dev test` puts them, else the system's.
set -eu
cd "$(dirname "$0")/.."

die() {
  printf 'postfix-for-tests: %s\n' "$*" >&2
  exit 1
}

[ "$(id -u)" = 0 ] || die "only root can run Postfix."
folder=$1 port=$2
shift 2
for root in "$PWD/.tools/postfix" ''; do
  if [ -x "$root/usr/lib/postfix/sbin/master" ]; then break; fi
done
programs=$root/usr/lib/postfix
[ -x "$programs/sbin/master" ] || die "Postfix is missing: ./dev test gets it."

# Users that every Debian has. Mail belongs to whoever runs the test, or to nobody: never to root.
owner=mail
reader=${SUDO_UID:-0}
[ "$reader" != 0 ] || reader=$(id -u nobody)

mkdir "$folder/etc" "$folder/queue" "$folder/data" "$folder/mail"
for name in active bounce corrupt defer deferred flush hold incoming maildrop pid private public saved trace; do
  mkdir "$folder/queue/$name"
  [ $name = pid ] || chown $owner "$folder/queue/$name"
done
chown $owner "$folder/data"
chown "$reader" "$folder/mail"
chmod 755 "$folder" "$folder/queue" "$folder/mail"

boxes=
for address; do boxes="$boxes { $address = $address/ }"; done
cat >"$folder/etc/main.cf" <<MAIN
compatibility_level = 3.6
queue_directory = $folder/queue
data_directory = $folder/data
command_directory = $root/usr/sbin
daemon_directory = $programs/sbin
shlib_directory = $programs
meta_directory = $folder/etc
import_environment = MAIL_CONFIG LD_LIBRARY_PATH LANG=C
mail_owner = $owner
setgid_group = uucp
default_privs = nobody
maillog_file = $folder/log
maillog_file_prefixes = $folder

myhostname = mail.test
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_peername_lookup = no
mynetworks = 127.0.0.0/8
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
local_transport = error:nobody is local
relay_transport = error:nothing is relayed
default_transport = error:nothing leaves this machine
smtpd_recipient_restrictions = reject_unlisted_recipient, reject_unauth_destination
smtpd_relay_restrictions = reject_unauth_destination
virtual_mailbox_domains = $(for address; do printf '%s ' "${address#*@}"; done)
virtual_mailbox_base = $folder/mail
virtual_mailbox_maps = inline:{$boxes }
virtual_minimum_uid = 100
virtual_uid_maps = static:$reader
virtual_gid_maps = static:$(id -g nobody)
MAIN
cat >"$folder/etc/master.cf" <<MASTER
127.0.0.1:$port inet n - n - - smtpd
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
error     unix - - n - - error
virtual   unix - n n - - virtual
anvil     unix - - n - 1 anvil
postlog   unix-dgram n - n - 1 postlogd
MASTER

if [ -n "$root" ]; then
  export LD_LIBRARY_PATH="$programs"
fi
"$programs/sbin/master" -c "$folder/etc" </dev/null >"$folder/said" 2>&1 &
master=$!
cat >/dev/null # until standard input ends
kill $master
wait $master 2>/dev/null || :
rm -rf "$folder/etc" "$folder/queue" "$folder/data" "$folder/mail" "$folder/log" "$folder/said"
