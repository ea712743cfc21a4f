# Toolwright as a container image: docker build -t toolwright .
#
# The image holds the program alone: the database, the keys and the data come from outside (docker-compose.yml shows how).

FROM rust:1.95-bookworm AS build
WORKDIR /source
COPY Cargo.toml Cargo.lock ./
COPY .sqlx .sqlx
COPY crates crates
COPY examples examples
COPY migrations migrations
COPY tests tests
COPY wit wit
# Queries are checked against .sqlx: no database is at hand here.
ENV SQLX_OFFLINE=true
RUN cargo build --release --locked --package toolwright && strip --strip-debug target/release/toolwright

FROM debian:bookworm-slim
# The profile `production` runs no database of its own, and the certificates of the web's authorities are in the program: the image
# needs no package besides Debian's base.
RUN useradd --system --uid 10001 --home-dir /var/lib/toolwright --create-home --shell /usr/sbin/nologin toolwright
COPY --from=build /source/target/release/toolwright /usr/local/bin/toolwright
USER toolwright
ENV TOOLWRIGHT_DATA_DIR=/var/lib/toolwright
ENV TOOLWRIGHT_LISTEN=0.0.0.0:8080
VOLUME /var/lib/toolwright
EXPOSE 8080
# Records of calls are written before it ends: give it longer than `stop_timeout_s` (8 s).
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/toolwright"]
CMD ["serve"]
