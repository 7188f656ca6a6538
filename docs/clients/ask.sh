#!/usr/bin/env bash
# Asks Sidegate with curl: docs/clients/ask.sh 'bob edit order o-1' 'bob delete order o-1'
#
# Prints `allow` or `deny` for each question. Whatever is not an explicit yes is a deny: an error, a time-out, an answer of another form.
set -uo pipefail

url=${SIDEGATE_URL:-http://127.0.0.1:8480}

# One curl for all questions: it keeps its connection. Each has a second.
transfers=()
for question in "$@"; do
    if [[ $question == *[\"\\]* ]]; then
        echo "a question may hold neither quotes nor backslashes" >&2
        exit 64
    fi
    read -r user action type id <<<"$question"
    body='{"subject":{"type":"user","id":"'$user'"},"action":{"name":"'$action'"},"resource":{"type":"'$type'","id":"'$id'"}}'
    # A line for each: the answer, if there is one, its status, and whether curl got all of it.
    transfers+=(--next --silent --show-error --fail --max-time 1 --write-out ' %{http_code} %{exitcode}\n' --json "$body")
    transfers+=(${SIDEGATE_TOKEN:+--header "Authorization: Bearer $SIDEGATE_TOKEN"} "$url/access/v1/evaluation")
done

mapfile -t answers < <(curl "${transfers[@]:1}")

# Lines that are too many or too few belong to nobody.
(( ${#answers[@]} == $# )) || answers=()

for (( index = 0; index < $#; index++ )); do
    answer=${answers[index]:-}
    case $answer in
        '{"decision":true,'*'} 200 0') said=allow ;;
        *) said=deny ;;
    esac
    # The id leads to the record in the audit log.
    decision=none
    [[ $answer =~ \"id\":\"([0-9A-Z]{26})\" ]] && decision=${BASH_REMATCH[1]}
    echo "decision $decision: $said" >&2
    echo "$said"
done
