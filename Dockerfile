# The Braid server: action provider, query API. Keeps its SQLite store in /data unless
# BRAID_STORE_URL names another, such as postgresql://braid@db/braid.
FROM python:3.12.11-slim-bookworm AS requirements
WORKDIR /src
COPY requirements.lock requirements-build.lock ./
RUN python -m venv --without-pip /opt/braid \
    && pip --python /opt/braid/bin/python install --no-cache-dir --require-hashes --no-deps \
        --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY provenance_store provenance_store
COPY flows flows
COPY hpc hpc
COPY action_provider action_provider
COPY braid braid
# A second environment builds the project, so that build tools stay out of the image.
RUN pip install --no-cache-dir --require-hashes --no-deps --requirement requirements-build.lock \
    && pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
    && pip --python /opt/braid/bin/python install --no-cache-dir --no-deps /wheels/*.whl

FROM python:3.12.11-slim-bookworm
# Cairo and a font, for lineages as PNG and PDF. PostgreSQL's programs are not here: Debian 12 has
# version 15, which refuses to back up a server that is newer.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libcairo2 fonts-dejavu-core \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 10001 --create-home --home-dir /data --shell /usr/sbin/nologin braid
COPY --from=requirements /opt/braid /opt/braid
ENV PATH=/opt/braid/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    BRAID_STORE_URL=sqlite:////data/braid.db
USER braid
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
# `serve` brings the store to this version's schema before it answers.
ENTRYPOINT ["braid"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
