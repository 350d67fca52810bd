#!/bin/sh
# What a server that others can reach needs before its first start: a certificate, the authority that signed it, and a token.
# Run again it leaves alone what is there, but for a certificate that no longer does: one within 30 days of its end,
# with other names than these, or of another authority is signed anew.
#
#   first-start.sh FOLDER NAME…     the names and addresses by which clients call the server
#
# The database is the one that WINDLASS_STORE_DSN names. In FOLDER: ca.crt (for clients), server.crt, server.key, admin.token.
set -eu
umask 077

refuse() {
  echo "first-start: $1" >&2
  exit 1
}

[ $# -ge 2 ] || refuse "say where, and at least one name: first-start.sh FOLDER NAME…"
folder=$1
shift
mkdir -p "$folder"
cd "$folder"

if ! [ -s ca.key ]; then
  # A new authority would have another key: clients that hold the old ca.crt would trust nothing it signs.
  ! [ -e ca.crt ] || refuse "$folder has a ca.crt without its ca.key: put ca.key back, or remove ca.crt as well (then give every client the new one)"
  openssl ecparam -name prime256v1 -genkey -noout -out ca.key.new
  mv ca.key.new ca.key
fi

if ! [ -s ca.crt ]; then
  openssl req -x509 -key ca.key -days 3650 -sha256 -subj '/CN=Windlass, this installation' \
    -addext 'keyUsage=critical,keyCertSign,cRLSign' -out ca.crt.new
  mv ca.crt.new ca.crt
fi

names=
for name in "$@"; do
  case $name in
    *:*) names="$names,IP:$name" ;;
    *[!0-9.]*) names="$names,DNS:$name" ;;
    *) names="$names,IP:$name" ;;
  esac
done
printf 'subjectAltName=%s\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n' "${names#,}" > server.ext.new

if ! openssl x509 -checkend 2592000 -noout -in server.crt >/dev/null 2>&1 ||
  ! openssl verify -CAfile ca.crt server.crt >/dev/null 2>&1 ||
  ! cmp -s server.ext.new server.ext; then
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -sha256 -subj "/CN=$1" \
    -keyout server.key.new -out server.csr 2>/dev/null
  openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 -sha256 \
    -extfile server.ext.new -out server.crt.new 2>sign.log ||
    refuse "cannot sign a certificate for $* with the ca.key of $folder: $(cat sign.log)"
  mv server.key.new server.key
  mv server.crt.new server.crt
  # The last: until this is here, the next run signs anew.
  mv server.ext.new server.ext
  rm -f server.csr sign.log
fi
rm -f server.ext.new

if ! [ -s admin.token ]; then
  windlass first-token admin --role admin > admin.token.new
  mv admin.token.new admin.token
fi
echo "ready in $folder: ca.crt server.crt server.key admin.token"
