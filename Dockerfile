# The program with its models, for a machine without a network: see docs/container.md.
#   docker build --tag anonymizer .

FROM python:3.13-slim AS build
RUN pip install --no-cache-dir uv==0.13.9
WORKDIR /source
COPY dist/*.whl ./
COPY requirements.lock ./
# What the program needs, in the versions of the lock file.
RUN uv venv /opt/anonymizer \
 && sed -n 's/^\([a-z].*\) \\$/\1/p' requirements.lock >constraints.txt \
 && uv pip install --python /opt/anonymizer --no-cache --constraint constraints.txt ./*.whl

FROM python:3.13-slim
RUN useradd --uid 10001 --create-home --home-dir /home/anonymizer anonymizer \
 && install -d -o anonymizer -g anonymizer /inbox /out /home/anonymizer/.config /home/anonymizer/.config/anonymizer
COPY --from=build /opt/anonymizer /opt/anonymizer
ENV PATH=/opt/anonymizer/bin:$PATH HOME=/home/anonymizer PYTHONDONTWRITEBYTECODE=1
USER anonymizer
WORKDIR /out
# The key and the noise secret: keep this volume, or nothing that was signed can be added to.
VOLUME ["/inbox", "/out", "/home/anonymizer/.config/anonymizer"]
HEALTHCHECK --interval=60s --timeout=20s --start-period=60s CMD ["anonymizer", "status", "/out"]
ENTRYPOINT ["anonymizer"]
CMD ["watch", "/inbox", "--out", "/out"]
