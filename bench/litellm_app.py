"""LiteLLM's proxy in front of the model: the OpenAI-compatible server that most people run."""

import os

os.environ["LITELLM_MASTER_KEY"] = "sk-bench"
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it waits for one from GitHub

from litellm.proxy.proxy_cli import run_server

if __name__ == "__main__":
    model = f"openai/{os.environ['MODEL']}"
    where = ["--host", "127.0.0.1", "--port", os.environ["PORT"]]
    run_server(["--model", model, "--api_base", os.environ["MODEL_URL"], *where])
