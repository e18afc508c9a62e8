#!/bin/sh
# Makes the certificates of these tests: an authority, and one for dsp.localhost and 127.0.0.1.
set -eu
cd "$(dirname "$0")"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 \
    -keyout ca.key -out ca.pem -subj "/CN=Test authority"
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -keyout server.key -out server.csr -subj "/CN=dsp.localhost"
printf 'subjectAltName=DNS:dsp.localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n' > server.ext
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 36500 \
    -extfile server.ext -out server.pem
rm ca.key ca.srl server.csr server.ext
