# Targets: slim (the default; jobs that need no Python), python (with Python and rq, for all others), and
# weppcloud (WEPPcloud's own image, with this worker beside what is in it: docs/weppcloud).
ARG JDK_IMAGE=eclipse-temurin:25-jdk-noble
ARG RUNTIME_IMAGE=debian:trixie-slim
ARG WEPPPY_IMAGE=wepppy:latest
# source: Maven builds the jars here. prebuilt: those of worker/target, which the tests have seen.
ARG JARS=source

FROM ${JDK_IMAGE} AS jars-source
WORKDIR /src
COPY mvnw pom.xml ./
COPY .mvn .mvn
COPY build build
COPY queue-protocol queue-protocol
COPY worker worker
ENV MAVEN_OPTS=--sun-misc-unsafe-memory-access=allow
RUN --mount=type=cache,target=/root/.m2 ./mvnw -q -DskipTests package

FROM scratch AS jars-prebuilt
COPY worker/target /src/worker/target

# Builds and tests where there is nothing but Docker: docs/development.md.
FROM ${JDK_IMAGE} AS maven
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends gcc libc6-dev python3-venv redis-server \
 && rm -rf /var/lib/apt/lists/*
ARG UID=1000
ARG GID=1000
RUN (getent group "${GID}" || groupadd -g "${GID}" maven) \
 && (getent passwd "${UID}" || useradd -u "${UID}" -g "${GID}" -d /m2 -M maven) \
 && install -d -o "${UID}" -g "${GID}" /m2
ENV HOME=/m2 MAVEN_OPTS="-Duser.home=/m2 --sun-misc-unsafe-memory-access=allow"
WORKDIR /src
USER ${UID}:${GID}
ENTRYPOINT ["./mvnw"]

# What changes seldom (third parties' jars) is apart from what changes with every commit.
FROM jars-${JARS} AS jars
FROM ${RUNTIME_IMAGE} AS program
COPY --from=jars /src/worker/target/lib /lib-all
COPY --from=jars /src/worker/target/worker.jar /src/worker/target/bom.json /app/
COPY docker/rq-worker /app/rq-worker
RUN mkdir /app/lib && mv /lib-all/queue-protocol-*.jar /app/lib/ && chmod -R a+rX /app /lib-all && chmod 755 /app/rq-worker

# jdk.crypto.ec and jdk.zipfs are found by name; jdk.jcmd and jdk.jdwp.agent are for whoever has to look into a running worker.
FROM ${JDK_IMAGE} AS java
RUN jlink --strip-java-debug-attributes --no-header-files --no-man-pages --output /opt/java --add-modules \
      java.base,java.instrument,java.logging,java.management,java.naming,java.net.http,java.security.jgss,java.sql,java.xml,jdk.crypto.ec,jdk.httpserver,jdk.jcmd,jdk.jdwp.agent,jdk.jfr,jdk.management,jdk.unsupported,jdk.zipfs \
 && cp -L "$(dirname "$(dirname "$(readlink -f "$(command -v jlink)")")")/lib/security/cacerts" /opt/java/lib/security/cacerts

# glibc and libgfortran5 are for the WEPP and CLIGEN executables; tini reaps what their children leave and passes TERM on.
FROM ${RUNTIME_IMAGE} AS system
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends ca-certificates libgfortran5 libquadmath0 tini \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*
# The owner of /wc1 and /geodata. Any other works too (docker run --user).
ARG UID=1002
ARG GID=130
RUN (getent group "${GID}" || groupadd -g "${GID}" rq-worker) \
 && (getent passwd "${UID}" || useradd -u "${UID}" -g "${GID}" -d /tmp -M -s /usr/sbin/nologin rq-worker) \
 && mkdir -p /opt/wepp/bin /wc1 /geodata \
 && chown "${UID}:${GID}" /wc1 /geodata \
 && ln -s /app/rq-worker /usr/local/bin/rq-worker
COPY --from=java /opt/java /opt/java
ENV PATH=/opt/java/bin:$PATH HOME=/tmp LANG=C.UTF-8
WORKDIR /tmp
USER ${UID}:${GID}
EXPOSE 9090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 CMD ["rq-worker", "health"]
ENTRYPOINT ["tini", "--", "rq-worker"]
CMD ["run"]
ARG VERSION=dev
ARG REVISION=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="rq-worker" \
      org.opencontainers.image.description="A worker for Python RQ jobs that runs WEPP and CLIGEN natively" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# One job on a Redis of its own, so that the JVM knows beforehand which classes a start needs.
FROM system AS trained
USER 0:0
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends redis-server
COPY --from=program /lib-all /app/lib
COPY --from=program /app /app
COPY docker/train /tmp/train
RUN sh /tmp/train /app/rq-worker.aot

FROM system AS python
USER 0:0
ARG PYTHON_PACKAGES="rq==1.16.2 redis==6.2.0"
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends python3 python3-venv \
 && python3 -m venv /opt/python \
 && /opt/python/bin/pip install -q --no-cache-dir ${PYTHON_PACKAGES} \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/* /root/.cache
ENV PATH=/opt/python/bin:$PATH PYTHONDONTWRITEBYTECODE=1
COPY --from=program /lib-all /app/lib
COPY --from=program /app /app
COPY --from=trained /app/rq-worker.aot /app/rq-worker.aot
ARG UID=1002
ARG GID=130
USER ${UID}:${GID}

# The virtual environment, entrypoint and user stay those of the image.
FROM ${WEPPPY_IMAGE} AS weppcloud
COPY --from=java /opt/java /opt/rq-worker/java
COPY --from=program /lib-all /opt/rq-worker/lib
COPY --from=program /app /opt/rq-worker

FROM system AS slim
ENV RQ_WORKER_PYTHON_ENABLED=false RQ_WORKER_ROUTING_NATIVE_QUEUES=default
COPY --from=program /lib-all /app/lib
COPY --from=program /app /app
COPY --from=trained /app/rq-worker.aot /app/rq-worker.aot
