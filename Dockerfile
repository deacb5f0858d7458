# syntax=docker/dockerfile:1
# One static binary and nothing else.
#
#   docker build -t echoloop .
#   docker run --rm -p 127.0.0.1:7777:7777 echoloop
#
# In a container 127.0.0.1 is the container's own, where nobody outside it can reach it, and so what is
# served by default here is echo and pong over TCP on all addresses of the container: whom they are published
# to is said by `-p`. It is TCP on purpose. UDP has forged senders, and an echo server that everybody can reach
# is a mirror that bounces datagrams off onto others: never with more bytes than came, but as many. Whoever
# wants it says so, and limits it:
#
#   docker run --rm -p 10.0.0.5:7777:7777/udp echoloop \
#       serve --datagram-rate 100 --allow 10.0.0.0/8 echo=udp://0.0.0.0:7777
#
# (Published through docker's own proxy, as on loopback, all clients look like one.)

FROM rust:1-alpine AS build
WORKDIR /src
COPY . .
# The target is the one of the platform that is built for: linux/amd64 or linux/arm64.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin echoloop && \
    cp target/release/echoloop /echoloop

FROM scratch
LABEL org.opencontainers.image.title="echoloop" \
      org.opencontainers.image.description="Echo and pong over TCP, UDP and Unix sockets, from one event loop" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
COPY --from=build /echoloop /echoloop
COPY LICENSE-MIT LICENSE-APACHE /licenses/
# Nobody in particular: a number, since there is no list of users here, and Kubernetes wants to see one.
USER 65532:65532
EXPOSE 7777/tcp 7778/tcp
# It stops gracefully when it is told to, as the first process of a container too: it asks for the signal.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/echoloop"]
CMD ["serve", "echo=tcp://0.0.0.0:7777", "pong=tcp://0.0.0.0:7778"]
