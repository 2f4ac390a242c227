# NVIDIA's Triton with TensorRT-LLM, and this project's builder in it: it builds engines, and serves what it built.
#
#   docker build -f deploy/images/triton.Dockerfile -t qwen-triton:24.06 .
#   docker build -f deploy/images/triton.Dockerfile --build-arg TRITON_TAG=25.05-trtllm-python-py3 -t qwen-triton:25.05 .
#   docker build -f deploy/images/triton.Dockerfile --target multi-node -t qwen-triton-multi-node:24.06 .
#
# deploy/README.md lists which tag has which TensorRT-LLM. An engine runs in the image that built it, and in no other.
# The launcher is process 1: it ends tritonserver at SIGTERM, and its guard ends whatever tritonserver leaves behind.

ARG TRITON_TAG=24.06-trtllm-python-py3
# sha256:... of that tag, for the same bytes tomorrow.
ARG TRITON_DIGEST=
ARG PYTHON_TAG=3.12-slim-bookworm
ARG PYTHON_DIGEST=

FROM python:${PYTHON_TAG}${PYTHON_DIGEST:+@${PYTHON_DIGEST}} AS wheels
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN pip install hatchling==1.33.0
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY gateway gateway
COPY model_repo_builder model_repo_builder
# The project's own wheel alone; what it needs comes below, next to what NVIDIA's image has. tomli is for images with
# Python 3.10.
RUN pip wheel --no-build-isolation --no-deps --wheel-dir /wheels . \
    && pip download --no-deps --only-binary :all: --platform any --constraint constraints.txt --dest /wheels tomli

FROM nvcr.io/nvidia/tritonserver:${TRITON_TAG}${TRITON_DIGEST:+@${TRITON_DIGEST}} AS triton
ARG TRITON_TAG
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="qwen-triton" \
      org.opencontainers.image.description="NVIDIA Triton with TensorRT-LLM, and model-repo-builder" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="nvcr.io/nvidia/tritonserver:${TRITON_TAG}"
# The builder reads Triton's messages by tritonclient: the newest one that goes with the protobuf of the image. Nothing
# that is in the image may change: TensorRT-LLM was made for it.
# hadolint ignore=DL3013
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    python3 -m pip list --format=freeze >/tmp/there.txt \
    && export PIP_BREAK_SYSTEM_PACKAGES=1 \
    && PIP_CONSTRAINT=/tmp/there.txt python3 -m pip install --no-cache-dir --only-binary :all: 'tritonclient[grpc]' \
    && python3 -m pip install --no-cache-dir --no-index --no-deps /wheels/*.whl \
    && rm /tmp/there.txt
COPY deploy/images/healthcheck.py /opt/deploy/healthcheck.py
# What build.lock.json says of the image.
ENV MODEL_REPO_BUILDER_IMAGE=nvcr.io/nvidia/tritonserver:${TRITON_TAG} \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp HF_HUB_OFFLINE=1
# NVIDIA's user triton-server.
USER 1000:1000
WORKDIR /tmp
EXPOSE 8000 8001 8002
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20m --retries=3 \
    CMD ["python3", "/opt/deploy/healthcheck.py", "http://127.0.0.1:8000/v2/health/ready"]
ENTRYPOINT ["model-repo-builder"]
CMD ["launch", "/models/repository", "--host", "0.0.0.0", "--timeout", "1200"]

# For engines on several machines: mpirun reaches the other pods by ssh.
FROM triton AS multi-node
USER 0:0
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends openssh-server openssh-client \
    && rm -rf /var/lib/apt/lists/* /etc/ssh/ssh_host_*
COPY deploy/images/mpi_node.py /opt/deploy/mpi_node.py
USER 1000:1000

FROM triton AS serving
