# The image: one binary without shared libraries in an otherwise empty root, run by a user that owns nothing but its data directory.
#
#   docker build --tag sidegate .
#   docker run --read-only --cap-drop ALL --network host \
#     --volume ./policies/demo:/etc/sidegate/policies:ro --volume sidegate-data:/var/lib/sidegate sidegate
#
# Decisions and administration are on the loopback address until a configuration of your own opens them to callers, which is why an
# application shares the network with it: that of the machine here, that of its own container or pod otherwise (docs/packages.md).
#
# tests/it/packaging/image.rs runs what stands here, as far as that goes without an engine.

ARG RUST=1.95
FROM rust:${RUST}-slim-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src src
# What `sidegate_build_info` tells of the commit.
ARG SIDEGATE_COMMIT=unknown
# The day that C code takes for that of its compilation, so that the same sources make the same binary.
ARG SOURCE_DATE_EPOCH=0
ENV SIDEGATE_COMMIT=${SIDEGATE_COMMIT} SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH}
# Only the last link is without shared libraries, so that procedural macros, which are such, are built as ever.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    cargo rustc --release --locked --bin sidegate -- -C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs
COPY scripts/licences scripts/licences
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    scripts/licences
COPY LICENSE ./
COPY helm/sidegate/files/starter helm/sidegate/files/starter
COPY packaging/image packaging/image
COPY scripts/image-root scripts/image-root
RUN scripts/image-root target/release/sidegate /image

FROM scratch
COPY --from=build /image/rootfs /
COPY --from=build --chown=65532:65532 /image/data /var/lib/sidegate
# A number, so that Kubernetes sees that it is not root.
USER 65532:65532
# Metrics and probes: the one port that others reach. Publishing the loopback ones would lead nowhere.
EXPOSE 8482
# The audit log and the directory of users. Writable although the root is not.
VOLUME /var/lib/sidegate
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/sidegate"]
CMD ["serve", "--config", "/etc/sidegate/sidegate.yaml"]
