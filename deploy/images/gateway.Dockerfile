# The gateway. From the root of a clone:
#
#   docker build -f deploy/images/gateway.Dockerfile -t qwen-triton-gateway:0.1.0 .
#
# It runs as nobody in particular (10001), on a read-only root with /tmp writable, and ends in steps at SIGTERM. It is
# process 1 itself: it passes signals to its workers and waits for them, so no init is needed.

ARG PYTHON_TAG=3.12-slim-bookworm
# sha256:... of that tag, for the same bytes tomorrow.
ARG PYTHON_DIGEST=

FROM python:${PYTHON_TAG}${PYTHON_DIGEST:+@${PYTHON_DIGEST}} AS wheels
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN pip install hatchling==1.33.0
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY gateway gateway
COPY model_repo_builder model_repo_builder
RUN pip wheel --no-build-isolation --constraint constraints.txt --wheel-dir /wheels '.[otel]'

FROM python:${PYTHON_TAG}${PYTHON_DIGEST:+@${PYTHON_DIGEST}} AS gateway
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="qwen-triton-gateway" \
      org.opencontainers.image.description="OpenAI-compatible API in front of NVIDIA Triton with TensorRT-LLM" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index --no-deps /wheels/*.whl
COPY deploy/images/healthcheck.py /opt/deploy/healthcheck.py
# The file's [server] says less than these: the environment wins.
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp HF_HUB_OFFLINE=1 \
    GATEWAY_HOST=0.0.0.0 GATEWAY_PORT=9000
USER 10001:10001
WORKDIR /tmp
EXPOSE 9000
STOPSIGNAL SIGTERM
# With tls_cert the URL is https.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "/opt/deploy/healthcheck.py", "http://127.0.0.1:9000/healthz"]
ENTRYPOINT ["gateway"]
CMD ["serve", "--config", "/etc/gateway/gateway.toml"]
