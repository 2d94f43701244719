#!/usr/bin/env bash
# Runs a Kafka broker of one node on loopback, in the foreground: tests/kafka/broker.sh FOLDER PORT SASL_PORT TLS_PORT QUORUM_PORT
#
# Who comes by PORT or TLS_PORT may do everything. On SASL_PORT there are `alice` (password `alice-secret`, by PLAIN) and
# `bob` (`bob-secret`, by SCRAM-SHA-256), who may do what was allowed to them. FOLDER keeps the data, and the certificate
# that TLS_PORT shows.
set -euo pipefail

folder=$1 port=$2 sasl_port=$3 tls_port=$4 quorum_port=$5
jars=$("$(dirname "$0")/../../.ci/kafka")
properties="$folder/server.properties"
readonly folder port sasl_port tls_port quorum_port jars properties
mkdir -p "$folder"

if [[ ! -e $folder/certificate.pem ]]; then
    openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
        -keyout "$folder/key.part" -out "$folder/certificate.pem" 2>/dev/null
    cat "$folder/key.part" "$folder/certificate.pem" >"$folder/keystore.pem"
    rm "$folder/key.part"
fi

cat >"$properties" <<END
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$quorum_port
listeners=PLAINTEXT://127.0.0.1:$port,SASL://127.0.0.1:$sasl_port,TLS://127.0.0.1:$tls_port,CONTROLLER://127.0.0.1:$quorum_port
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SSL,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256
listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="alice-secret";
listener.name.sasl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.tls.ssl.keystore.type=PEM
listener.name.tls.ssl.keystore.location=$folder/keystore.pem
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
log.dirs=$folder/data
auto.create.topics.enable=false
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
num.network.threads=2
num.io.threads=4
num.recovery.threads.per.data.dir=1
log.cleaner.dedupe.buffer.size=16777216
END

if [[ ! -e $folder/data/meta.properties ]]; then
    java -Xmx128m -cp "$jars/*" kafka.tools.StorageTool format --cluster-id hephaestus_tests_00000 --config "$properties" \
        --add-scram 'SCRAM-SHA-256=[name=bob,password=bob-secret]' >&2
fi
exec java -Xms128m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
    -cp "$jars/*" kafka.Kafka "$properties"
