#!/usr/bin/env bash
# Makes the certificates in this folder again, with openssl. They are for tests only:
# their keys are known to everyone. The keys of the CAs are thrown away.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

# A CA: its name.
ca() {
  openssl req -x509 -newkey ed25519 -nodes -days 36500 -subj "/CN=Eddyline test $1" \
    -keyout "$work/$1.key" -out "$1.pem"
}

# A key: its name.
key() { openssl genpkey -algorithm ed25519 -out "$1.key"; }

# A certificate from ca.pem: its name, its key, its days from START, its names.
certificate() {
  openssl req -new -key "$2.key" -subj "/CN=$1" -out "$work/$1.csr"
  printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth\n' "$4" >"$work/$1.ext"
  printf '[ca]\ndefault_ca=x\n[x]\ndatabase=%s\nrand_serial=yes\npolicy=p\ndefault_md=default\nunique_subject=no\n[p]\ncommonName=supplied\n' \
    "$work/index" >"$work/ca.conf"
  : >"$work/index"
  openssl ca -batch -notext -config "$work/ca.conf" -outdir "$work" -cert ca.pem -keyfile "$work/ca.key" \
    -extfile "$work/$1.ext" -startdate 20200101000000Z -enddate "$3" -in "$work/$1.csr" -out "$1.pem"
}

ca ca
ca other-ca
key server
key node
here=DNS:localhost,IP:127.0.0.1,IP:::1
certificate server server 21200101000000Z "$here"
certificate expired server 20210101000000Z "$here"
certificate elsewhere server 21200101000000Z DNS:elsewhere.example
certificate n1 node 21200101000000Z DNS:n1.example
mv node.key n1.key
