#!/usr/bin/env bash
# Runs a broker for a person, and says how to use it: tests/kafka/try.sh FOLDER
set -euo pipefail

folder=$1 port=9092
cat >&2 <<END
A Kafka broker begins on 127.0.0.1:$port, and ends with Ctrl-C. Its data is in $folder. Use it with this configuration:

bus:
  kind: kafka
  kafka:
    brokers: ["127.0.0.1:$port"]

and make its topics first: hephaestus --config FILE topics create

END
exec "$(dirname "$0")/broker.sh" "$folder" "$port" 9094 9095 9093
