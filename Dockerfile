# Two images out of one build:
#
#   docker build --target agent -t hephaestus-agent:0.1.0 .    reads logs, publishes to Kafka
#   docker build --target fixer -t hephaestus-fixer:0.1.0 .    works out fixes, or all in one
#
# Both run as user 65532 and write only to what is mounted at /var/lib/hephaestus and /tmp.

FROM rust:1.90-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends clang cmake libclang-dev libssl-dev pkg-config zlib1g-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Cargo.toml Cargo.lock build.rs ./
COPY src src
COPY config config
COPY benches benches
# The tests stay out; cargo wants to see the file that the manifest names.
RUN mkdir tests && touch tests/it.rs \
    && cargo build --locked --release \
    && install -D -m 755 target/release/hephaestus /out/hephaestus

FROM debian:bookworm-slim AS agent
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libssl3 libstdc++6 zlib1g \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 65532 --user-group --no-create-home --home-dir /tmp --shell /usr/sbin/nologin hephaestus
COPY --from=build /out/hephaestus /usr/local/bin/hephaestus
USER 65532:65532
EXPOSE 9464
ENTRYPOINT ["/usr/local/bin/hephaestus"]

FROM golang:1.26-bookworm AS go

# What proofs are made with: a Go toolchain, git and ssh for a clone, bubblewrap for the stronger sandbox,
# a C compiler for the race detector.
FROM agent AS fixer
USER root
RUN apt-get update \
    && apt-get install -y --no-install-recommends bubblewrap gcc git libc6-dev openssh-client \
    && rm -rf /var/lib/apt/lists/*
COPY --from=go /usr/local/go /usr/local/go
ENV PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# Never another toolchain than this one: nothing of a repository decides what is run.
ENV GOTOOLCHAIN=local
USER 65532:65532
