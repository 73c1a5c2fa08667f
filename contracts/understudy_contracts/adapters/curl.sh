#!/bin/sh
# A client of Pixazo in shell: understudy check client --per-case --provider pixazo -- sh contracts/understudy_contracts/adapters/curl.sh
# It needs curl and jq. One process a case: variables say what to do, the input is the one line on stdin.
say() { jq -cn --arg outcome "$1" --arg job "$job" --arg url "$2" --arg kind "$3" --arg message "$4" \
  '{outcome: $outcome, job_id: $job, media: (if $url == "" then [] else [{url: $url}] end),
    error: (if $kind == "" then null else {kind: $kind, message: $message} end)}'; exit; }
call() { curl -s -m 2 -D "$heads" -w '\n%{http_code}' -H "Ocp-Apim-Subscription-Key: $CONFORMANCE_API_KEY" "$@"; }
kind_of() { case $1 in 400) echo validation;; 401|403) echo auth;; 402) echo insufficient_balance;;
  404) echo not_found;; 429) echo rate_limited;; 5*) echo server;; *) echo network;; esac; }
wait_for() { # what Retry-After says, in seconds or as a date, else $1
  told=$(sed -n 's/^retry-after: *\([^\r]*\).*/\1/Ip' "$heads")
  case $told in '') sleep "$1";; *[!0-9]*) sleep $(($(date -d "$told" +%s) - $(date +%s)));; *) sleep "$told";; esac; }

if [ "$CONFORMANCE_CASE" = hello ]; then
  echo '{"client":{"name":"curl.sh","version":"1"},"providers":["pixazo"],"timing":{"min_poll_ms":200,"max_attempts":4,"request_timeout_ms":2000}}'
  exit
fi
read -r input; job=; heads=$(mktemp); trap 'rm -f "$heads"' EXIT
ends=$(($(date +%s%3N) + CONFORMANCE_BUDGET_MS * 3 / 4)); model=$CONFORMANCE_MODEL; path=$model-request
[ "$model" = hunyuan-image ] && path=hunyuan-image/generateRequest
for pause in 1 2 4 0; do
  answer=$(call -H 'Content-Type: application/json' -d "$input" "$CONFORMANCE_BASE_URL/$model/v1/$path"); status=${answer##*
}; body=${answer%
*}
  [ "$status" = 429 ] && [ "$pause" != 0 ] && { wait_for "$pause"; continue; }
  job=$(printf %s "$body" | jq -r '.request_id // ""' 2>/dev/null)
  [ -n "$job" ] && break
  case $status in 4*) say rejected '' "$(kind_of "$status")" "HTTP $status";; *) say failed '' "$(kind_of "$status")" "HTTP $status";; esac
done
while [ "$(date +%s%3N)" -lt "$ends" ]; do
  sleep 0.25
  answer=$(call "$CONFORMANCE_BASE_URL/v2/requests/status/$job"); status=${answer##*
}
  [ "$status" = 200 ] || { case $status in 400|401|402|403|404) say failed '' "$(kind_of "$status")" "HTTP $status";; esac; wait_for 0.25; continue; }
  told=$(printf %s "${answer%
*}" | jq -c . 2>/dev/null) || continue
  case $(printf %s "$told" | jq -r .status) in
    COMPLETED) printf %s "$told" | jq -c '{outcome: "completed", job_id: .request_id, media: [.output.media_url[] | {url: .}]}'; exit;;
    FAILED|ERROR) say failed '' job_failed "$(printf %s "$told" | jq -r .error)";;
  esac
done
say timeout
