# All functions with URLs in one process: docs/hosting.md says how to run it. `docker build -t millrace .`
FROM python:3.13-slim
ENV PYTHONUNBUFFERED=1
WORKDIR /app
COPY layers/shared/python/requirements.txt locks/shared.txt
COPY functions/a2a/requirements.txt locks/a2a.txt
COPY functions/voice/requirements.txt locks/voice.txt
COPY functions/serve-requirements.txt locks/serve.txt
RUN pip install --no-cache-dir --require-hashes -r locks/shared.txt -r locks/a2a.txt -r locks/voice.txt -r locks/serve.txt
COPY layers/shared/python/millrace millrace
RUN python -m compileall -q millrace && useradd --system millrace
USER millrace
EXPOSE 8080
# Streams get 20 seconds to end. The stack's functions continue runs that are still active after that.
STOPSIGNAL SIGTERM
CMD ["python", "-m", "millrace.serve", "--host", "0.0.0.0", "--port", "8080"]
