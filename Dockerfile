# One node of Windlass. `docker compose up` runs it with its PostgreSQL; see docker-compose.yml.

# Every wheel the image may hold: the locked ones, checked by hash, and our own.
FROM python:3.12-slim AS wheels
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements.lock ./
RUN pip wheel --no-deps --require-hashes --requirement requirements.lock --wheel-dir /wheels
COPY pyproject.toml README.md LICENSE ./
COPY proto ./proto
COPY kernel ./kernel
COPY plugins ./plugins
COPY clients ./clients
RUN pip install --no-index --find-links /wheels hatchling \
    && pip wheel --no-deps --no-build-isolation --no-index --wheel-dir /wheels . ./proto ./kernel ./plugins/* ./clients/*

# What runs: `windlass` and what it depends on, from those wheels and nowhere else; no linter, no test tool.
FROM python:3.12-slim
ENV PYTHONUNBUFFERED=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index --find-links /wheels windlass \
    && useradd --system --uid 10001 --create-home --home-dir /var/lib/windlass --shell /usr/sbin/nologin windlass
USER windlass
ENV WINDLASS_HOME=/var/lib/windlass
WORKDIR /var/lib/windlass
VOLUME /var/lib/windlass
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=10s --start-period=30s CMD ["windlass", "active"]
ENTRYPOINT ["windlass"]
CMD ["serve"]
