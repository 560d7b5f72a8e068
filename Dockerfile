# Gateway, worker or any other `tsunagi` command in one image: no JDK, no demo, no tests, no secrets.
#   docker build -t tsunagi:0.1.0 .
#   docker run --rm tsunagi:0.1.0 rules check
ARG PYTHON_IMAGE=python:3.13.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
# The same version as the Makefile's.
ARG UV_VERSION=0.13.9
ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_PROJECT_ENVIRONMENT=/opt/tsunagi \
    UV_PYTHON=/usr/local/bin/python3 \
    UV_PYTHON_DOWNLOADS=never
RUN python -m pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore "uv==${UV_VERSION}"
WORKDIR /src
# Dependencies first: they change seldom, and their layer is the large one.
COPY pyproject.toml uv.lock ./
RUN --mount=type=cache,target=/root/.cache/uv uv sync --frozen --no-dev --no-install-project
COPY README.md LICENSE ./
COPY schemas ./schemas
COPY tables ./tables
COPY orchestration_rules ./orchestration_rules
COPY connectors ./connectors
COPY streams ./streams
COPY ops ./ops
RUN --mount=type=cache,target=/root/.cache/uv uv sync --frozen --no-dev --no-editable

FROM ${PYTHON_IMAGE}
# Made here so that named volumes take over their owner.
RUN groupadd --gid 10001 tsunagi \
    && useradd --uid 10001 --gid tsunagi --no-create-home --home-dir /var/lib/tsunagi --shell /usr/sbin/nologin tsunagi \
    && install --directory --owner=tsunagi --group=tsunagi --mode=0700 /var/lib/tsunagi /var/lib/tsunagi-keys
COPY --from=build /opt/tsunagi /opt/tsunagi
# Inside a container loopback reaches nobody. Gateway and workers share a port number, so that one health check fits.
ENV PATH=/opt/tsunagi/bin:${PATH} \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TSUNAGI_DATA_DIR=/var/lib/tsunagi \
    TSUNAGI_GATEWAY_HOST=0.0.0.0 \
    TSUNAGI_GATEWAY_KEYS_FILE=/var/lib/tsunagi-keys/keys.yaml \
    TSUNAGI_GATEWAY_PORT=8080 \
    TSUNAGI_WORKER_HOST=0.0.0.0 \
    TSUNAGI_WORKER_PORT=8080
USER 10001:10001
WORKDIR /var/lib/tsunagi
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]
ENTRYPOINT ["tsunagi"]
CMD ["--help"]
