# The images: one static binary each, and nothing else. `make image` builds the binaries first and hands their folder
# over as the build context (see scripts/image); no base image is pulled.

FROM scratch AS common
ARG VERSION
LABEL org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/messaging-bridge/messaging-bridge" \
      org.opencontainers.image.vendor="Messaging Bridge"
# The binary is found by its name, as in `kubectl exec POD -- messaging-bridge-relay dead-letters list`.
ENV PATH=/
# A number, so that Kubernetes can see by itself that it is not root (runAsNonRoot).
USER 65532:65532

FROM common AS operator
LABEL org.opencontainers.image.title="Messaging Bridge operator" \
      org.opencontainers.image.description="Runs one relay for each MessagingBridge of a Kubernetes cluster"
COPY messaging-bridge-operator /
ENTRYPOINT ["/messaging-bridge-operator"]

FROM common AS relay
LABEL org.opencontainers.image.title="Messaging Bridge relay" \
      org.opencontainers.image.description="A durable relay between a Twilio number and Genesys Cloud Open Messaging"
COPY messaging-bridge-relay /
ENTRYPOINT ["/messaging-bridge-relay"]

FROM common AS sandbox
LABEL org.opencontainers.image.title="Messaging Bridge sandbox" \
      org.opencontainers.image.description="Twilio and Genesys Cloud simulated, to try a bridge without either"
COPY messaging-bridge-sandbox /
# Nobody reaches the loopback address of a container. The control API has no password: keep the port inside.
ENV SANDBOX_LISTEN=0.0.0.0:4010
ENTRYPOINT ["/messaging-bridge-sandbox"]
CMD ["serve"]

# For the tests alone: `scripts/image ingress`.
FROM common AS ingress
LABEL org.opencontainers.image.title="Messaging Bridge test ingress" \
      org.opencontainers.image.description="A TLS reverse proxy that stands in for an Ingress controller in tests"
COPY messaging-bridge-ingress /
ENTRYPOINT ["/messaging-bridge-ingress"]
