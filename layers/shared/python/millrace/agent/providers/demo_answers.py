"""The demo agent's answers about Millrace: patterns and texts, in order of precedence."""

import re

INTRODUCTION = (
    "Hello! I am Millrace's demo agent. I am not a language model: I follow a small set of rules, "
    "but my tools, this stream and everything around it are the real thing.\n\n"
)

NO_RULE = (
    "I have no rule for that one. Try a sum (`what is 12 * 7?`), a time (`what time is it in Tokyo?`), "
    "a web address, `search my conversations for ...`, or ask what Millrace can do. "
    "For real answers connect a model: ask me how."
)

_TOPICS = (
    (
        r"connect|real model|openai|anthropic|claude|bedrock|ollama|vllm|lm studio|openrouter|gpt|api key",
        "An agent's `model` is a provider and a name:\n"
        "- `openai:gpt-5.4-mini` with `OPENAI_API_KEY`; any compatible server (Ollama, vLLM, OpenRouter, LM "
        "Studio) with `OPENAI_BASE_URL`, for example `http://localhost:11434/v1`.\n"
        "- `anthropic:claude-sonnet-5-5` with `ANTHROPIC_API_KEY`.\n"
        "- `bedrock:us.anthropic.claude-sonnet-5-5`: deployed by the function's own role, here "
        "with `AWS_BEARER_TOKEN_BEDROCK`.\n"
        "\nSet the variable before you start Millrace. With `DEFAULT_MODEL` set too, an Assistant that uses "
        "that model appears beside me; `POST /api/agents` makes agents of your own.",
    ),
    (
        r"inject|interrupt|while (?:you|it|i)|live message|in the middle|stop",
        "Write while I answer: your message reaches me before my next step, and I say so. Over HTTP that is "
        "`POST /api/conversations/{id}/inject`; a 202 is a promise that the agent sees it. "
        "`POST /api/conversations/{id}/stop` ends a run within about a second.",
    ),
    (
        r"deploy|\baws\b|lambda|\bsam\b|production",
        "One template: `make deploy` builds and deploys `template.yaml` with SAM. Streams come from Lambda "
        "function URLs; DynamoDB, SQS, EventBridge and S3 do the rest. The same code runs on your machine "
        "with `make run`, without an account.",
    ),
    (
        r"pipeline|webhook|transform|destination|warehouse|analytics",
        "Pipelines carry what agents do to where you need it: a source (agent runs, webhooks, API events, "
        "table changes, schedules), transforms, and destinations (webhooks, databases, analytics, "
        "notifications), with retries, dead letters and replay. See `/api/pipelines`.",
    ),
    (
        r"command center|watch|observe|monitor|dashboard|alert",
        "The command center shows every run of your organization as it happens: tools, tokens, cost, errors "
        "and alerts, at `/api/command-center/stream`.",
    ),
    (
        r"resume|reconnect|disconnect|drop|lost connection|last-event-id",
        "Nothing is lost when a connection dies: every event has an id, and `Last-Event-ID` continues the "
        "stream where it stopped, from any process, up to a day later.",
    ),
    (
        r"voice|speak|speech|audio|tts",
        "Millrace streams speech while it is made: `POST /api/voice/tts/stream`, or an agent's answer spoken "
        "sentence by sentence while it is still written.",
    ),
    (
        r"\ba2a\b|ag-ui|ai sdk|protocol|client|sdk",
        "The same run can be read as plain server-sent events, A2A tasks, the AI SDK's stream, AG-UI or "
        "OpenAI chat completions, so existing clients work as they are.",
    ),
    (
        r"what (?:can|do) you do|what is (?:this|millrace)|who are you|help|about millrace|features",
        "Millrace streams AI agents from AWS Lambda, token by token. Here I can work out sums, tell the time "
        "anywhere, search your earlier conversations and fetch a web page, and you can write to me while I "
        "answer. Ask me about connecting a model, deploying, pipelines, injection or the command center.",
    ),
    (
        r"^\W*(?:hi|hello|hey|good (?:morning|day|evening)|moin|hola|bonjour)\b",
        "Nice to meet you. Ask me for a sum, the time somewhere, a web page, or what Millrace can do.",
    ),
    (r"\bthanks?\b|thank you|merci|danke", "You are welcome!"),
)
_COMPILED = tuple((re.compile(pattern, re.IGNORECASE), answer) for pattern, answer in _TOPICS)


def find_answer(text: str) -> str | None:
    """Return the answer to the first topic that a text mentions."""
    return next((answer for pattern, answer in _COMPILED if pattern.search(text)), None)
