#!/bin/sh
# What a server that others can reach needs before its first start: a certificate, the authority that signed it, and a token.
# Run again it leaves alone what is there: only a certificate within 30 days of its end is signed anew.
#
#   first-start.sh FOLDER NAME…     the names and addresses by which clients call the server
#
# The database is the one that WINDLASS_STORE_DSN names. In FOLDER: ca.crt (for clients), server.crt, server.key, admin.token.
set -eu
umask 077
folder=$1
shift
mkdir -p "$folder"
cd "$folder"

if ! [ -s ca.key ]; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 3650 -sha256 \
    -subj '/CN=Windlass, this installation' -addext 'keyUsage=critical,keyCertSign,cRLSign' \
    -keyout ca.key.new -out ca.crt 2>/dev/null
  mv ca.key.new ca.key
fi

if ! openssl x509 -checkend 2592000 -noout -in server.crt >/dev/null 2>&1; then
  names=
  for name in "$@"; do
    case $name in
      *[!0-9.]*) names="$names,DNS:$name" ;;
      *) names="$names,IP:$name" ;;
    esac
  done
  printf 'subjectAltName=%s\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n' "${names#,}" > server.ext
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -sha256 -subj "/CN=$1" \
    -keyout server.key.new -out server.csr 2>/dev/null
  openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 -sha256 \
    -extfile server.ext -out server.crt.new 2>/dev/null
  mv server.key.new server.key
  mv server.crt.new server.crt
  rm -f server.csr server.ext
fi

if ! [ -s admin.token ]; then
  windlass first-token admin --role admin > admin.token.new
  mv admin.token.new admin.token
fi
echo "ready in $folder: ca.crt server.crt server.key admin.token"
