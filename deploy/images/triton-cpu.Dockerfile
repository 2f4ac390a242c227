# Triton and the builder for a machine without a GPU: the tritonserver of the nvidia-pytriton wheel, and OpenVINO.
#
#   docker build -f deploy/images/triton-cpu.Dockerfile -t qwen-triton-cpu:0.1.0 .
#
# For trying the whole and for tests of one's own clients; small models only.

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
RUN pip wheel --no-build-isolation --constraint constraints.txt --wheel-dir /wheels '.[cpu]'

FROM python:${PYTHON_TAG}${PYTHON_DIGEST:+@${PYTHON_DIGEST}} AS triton-cpu
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="qwen-triton-cpu" \
      org.opencontainers.image.description="Triton with OpenVINO on the CPU, and model-repo-builder" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index --no-deps /wheels/*.whl
COPY deploy/images/healthcheck.py /opt/deploy/healthcheck.py
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp HF_HUB_OFFLINE=1
USER 10001:10001
WORKDIR /tmp
EXPOSE 8000 8001 8002
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=5m --retries=3 \
    CMD ["python", "/opt/deploy/healthcheck.py", "http://127.0.0.1:8000/v2/health/ready"]
ENTRYPOINT ["model-repo-builder"]
CMD ["launch", "/models/repository", "--host", "0.0.0.0"]
