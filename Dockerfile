# One node of Windlass. `docker compose up` runs it with its PostgreSQL; see docker-compose.yml.

# Every wheel the image may hold: the locked ones, checked by hash, and our own.
FROM python:3.12-slim AS wheels
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements.lock ./
RUN pip wheel --no-cache-dir --no-deps --require-hashes --requirement requirements.lock --wheel-dir /wheels
COPY pyproject.toml README.md LICENSE ./
COPY proto ./proto
COPY kernel ./kernel
COPY plugins ./plugins
COPY clients ./clients
# Without versions: the lock has pinned them, and there are no others among the wheels.
# hadolint ignore=DL3013
RUN pip install --no-cache-dir --no-index --find-links /wheels hatchling \
    && pip wheel --no-cache-dir --no-deps --no-build-isolation --no-index --wheel-dir /wheels . ./proto ./kernel ./kernel/windlass-agent ./plugins/* ./clients/*

# What runs: `windlass` and what it depends on, from those wheels and nowhere else; no linter, no test tool.
FROM python:3.12-slim
ENV PYTHONUNBUFFERED=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
# hadolint ignore=DL3013
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index --find-links /wheels windlass \
    && useradd --system --uid 10001 --create-home --home-dir /var/lib/windlass --shell /usr/sbin/nologin windlass
COPY --chmod=0755 deploy/first-start.sh /usr/local/bin/first-start.sh
USER 10001
# Probes for whoever runs the image: the health check below, Kubernetes, Prometheus.
ENV WINDLASS_HOME=/var/lib/windlass WINDLASS_SERVER_PROBES=0.0.0.0:9464
WORKDIR /var/lib/windlass
VOLUME /var/lib/windlass
EXPOSE 7654 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s \
  CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:9464/ready', timeout=5)"]
ENTRYPOINT ["windlass"]
CMD ["serve"]
