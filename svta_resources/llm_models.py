"""Several language models from one YAML file, which SVTA_LLM_MODELS names (an example: docs/operations.md).

The file never holds a key: `api_key_env` names the environment variable that does.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from svta_resources.chat_errors import ChatError
from svta_resources.llm import EMBEDDED_BASE_URL, ChatModel, open_chat_model
from svta_resources.llm_settings import ChatSettings, Prices, Traffic, settings_from, traffic_from

SETTING = "SVTA_LLM_MODELS"
_KEY_VARIABLE = "OPENAI_API_KEY"
_FIELDS_OF_RULES = {"name", "share", "labels", "base_url"}


class _Entry(BaseModel):
    """One model as the file writes it; what it leaves out is as for a single model."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(min_length=1)
    base_url: str = ""
    api_key_env: str = Field(default="", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")  # a key put here by mistake is no name
    share: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    labels: bool = False
    temperature: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    max_tokens: int | None = Field(default=None, ge=1)
    price_in: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    price_out: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    concurrency: int | None = Field(default=None, ge=1)
    requests_per_minute: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    tokens_per_minute: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    timeout_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)


@dataclass(frozen=True)
class ListedModel:
    """A model of the file.

    Attributes:
        share: its weight among all when descriptions are given out. labels: the file chooses it for labels.
    """

    chat: ChatModel
    share: float = 1.0
    labels: bool = False


def listed_models(environ: Mapping[str, str] | None = None) -> tuple[ListedModel, ...]:
    """Open the models of the file that SVTA_LLM_MODELS names, in its order; none where it is not set.

    Makes no connection. Raises ChatError naming the file, the model and the field: an unreadable file, an unknown
    field, a value out of range, a name twice, a key's variable that is not set, or SVTA_LLM_MODEL set as well.
    """
    environ = os.environ if environ is None else environ
    path = environ.get(SETTING, "").strip()
    if not path:
        return ()
    if environ.get("SVTA_LLM_MODEL"):
        raise ChatError(f"SVTA_LLM_MODEL and {SETTING} are both set: unset one (the file may list a single model)")
    entries = _read(Path(path).expanduser())
    _refuse_repeated([entry.name for entry in entries], path)
    return tuple(ListedModel(_open(entry, environ, path), entry.share, entry.labels) for entry in entries)


def labelling_model(models: Sequence[ListedModel]) -> ChatModel:
    """The model that labels: the one with `labels: true`, else the first."""
    return next((model.chat for model in models if model.labels), models[0].chat)


def _read(path: Path) -> list[_Entry]:
    import yaml

    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ChatError(f"{SETTING}={path} cannot be read ({error.strerror}): correct it or unset it") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ChatError(f"{path} is no YAML ({error}): correct it; docs/operations.md has an example") from error
    listed = loaded.get("models") if isinstance(loaded, dict) and set(loaded) == {"models"} else None
    if not isinstance(listed, list) or not listed:
        raise ChatError(f"{path} must hold one list, `models:`, with at least one model; docs/operations.md shows one")
    entries = [_entry(one, place, path) for place, one in enumerate(listed, start=1)]
    if len(choosing := [entry.name for entry in entries if entry.labels]) > 1:
        raise ChatError(f"{path}: `labels: true` stands at {', '.join(choosing)}; one model labels")
    return entries


def _entry(given: Any, place: int, path: Path) -> _Entry:
    name = given.get("name") if isinstance(given, dict) else None
    where = f"{path}: model {place}" + (f" ({name})" if isinstance(name, str) and name else "")
    try:
        entry = _Entry.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"])) or "the entry"
        known = f"; known fields: {', '.join(_Entry.model_fields)}" if first["type"] == "extra_forbidden" else ""
        raise ChatError(f"{where}: {field}: {first['msg']}{known}") from None
    if (entry.price_in is None) != (entry.price_out is None):
        raise ChatError(f"{where}: a price needs both price_in and price_out (0 is allowed)")
    return entry


def _refuse_repeated(names: Iterable[str], path: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ChatError(f"{path}: model {name} is listed twice; a model's name tells its answers apart")
        seen.add(name)


def _open(entry: _Entry, environ: Mapping[str, str], path: str) -> ChatModel:
    if entry.base_url.rstrip("/") == EMBEDDED_BASE_URL:
        return _open_rules(entry, path)
    return ChatModel(
        entry.name,
        entry.base_url,
        _key(entry, environ, path),
        settings=_settings(entry, environ),
        traffic=_traffic(entry, environ),
        prices=Prices(entry.price_in, entry.price_out),
    )


def _open_rules(entry: _Entry, path: str) -> ChatModel:
    """The rules in this process have one name, need no key and keep to no limits."""
    if given := sorted(entry.model_fields_set - _FIELDS_OF_RULES):
        raise ChatError(f"{path}: {entry.name} at {EMBEDDED_BASE_URL} takes no {', '.join(given)}: remove it")
    return open_chat_model(base_url=EMBEDDED_BASE_URL, model=entry.name, environ={})


def _key(entry: _Entry, environ: Mapping[str, str], path: str) -> str:
    if not entry.api_key_env and entry.base_url:
        return "none"  # a server of one's own
    variable: str = entry.api_key_env or _KEY_VARIABLE
    if key := environ.get(variable):
        return key
    raise ChatError(f"{path}: the key of {entry.name} is read from {variable}, which is not set: export it")


def _settings(entry: _Entry, environ: Mapping[str, str]) -> ChatSettings:
    usual = settings_from(environ)
    return ChatSettings(
        temperature=usual.temperature if entry.temperature is None else entry.temperature,
        max_tokens=entry.max_tokens or usual.max_tokens,
    )


def _traffic(entry: _Entry, environ: Mapping[str, str]) -> Traffic:
    """Limits of its own. SVTA_LLM_RPM and SVTA_LLM_TPM speak of one server, so they do not count here."""
    usual = traffic_from(environ)
    return Traffic(
        concurrency=entry.concurrency or usual.concurrency,
        requests_per_minute=entry.requests_per_minute,
        tokens_per_minute=entry.tokens_per_minute,
        timeout_s=entry.timeout_s or usual.timeout_s,
    )
