#!/bin/sh
# Open a session with curl and openssl; prints the answer with the token.
# Usage: sh open_session.sh http://127.0.0.1:8080 KEY_FILE OPERATOR
set -eu
gateway=$1 key_file=$2 operator=$3

member() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" "$key_file"; }
secret=$(member secret | base64 -d | od -An -v -tx1 | tr -d ' \n')

body="{\"operator\":\"$operator\"}"
digest="sha-256=:$(printf %s "$body" | openssl dgst -sha256 -binary | base64):"
components='("@method" "@authority" "@path" "content-type" "content-digest")'
parameters="$components;created=$(date +%s);nonce=\"$(openssl rand -hex 16)\""
parameters="$parameters;keyid=\"$(member key_id)\";tag=\"medaid\""

# What is signed: six lines, each ended by one newline but the last by none.
base="\"@method\": POST
\"@authority\": ${gateway#*://}
\"@path\": /v1/sessions
\"content-type\": application/json
\"content-digest\": $digest
\"@signature-params\": $parameters"
signature=$(printf %s "$base" |
    openssl dgst -sha256 -mac HMAC -macopt "hexkey:$secret" -binary | base64)

curl -sS "$gateway/v1/sessions" -H 'Content-Type: application/json' \
    -H "Content-Digest: $digest" -H "Signature-Input: sig1=$parameters" \
    -H "Signature: sig1=:$signature:" -d "$body"
