"""`automation.yaml`: what a night may do. The packaged file gives the defaults and explains every setting."""

from importlib.resources import files
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from svta_assets.workspace import Workspace
from svta_resources.errors import SvtaError

FILE = "automation.yaml"


class SettingsError(SvtaError):
    """`automation.yaml` cannot be used; the message names the setting."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class NightSettings(_Section):
    """Section `night`."""

    gpu_hours_per_night: float = Field(ge=0)
    include_test: bool
    missing: bool
    stale: bool
    weakest: int = Field(ge=0)
    skip: tuple[str, ...]


class Weakness(_Section):
    """Section `weakness`: weights of the three shares, and how they are measured."""

    r1: float = Field(ge=0)
    yield_: float = Field(ge=0, alias="yield")
    age: float = Field(ge=0)
    age_days: float = Field(gt=0)
    prior_queries: float = Field(ge=0)

    @model_validator(mode="after")
    def _weighs_something(self) -> Self:
        if self.r1 + self.yield_ + self.age <= 0:
            raise ValueError("one of r1, yield and age must be above 0")
        return self


class Automation(_Section):
    """The whole file."""

    night: NightSettings
    weakness: Weakness


def read_settings(home: Path | None = None) -> Automation:
    """The packaged settings with what the home's `automation.yaml` changes.

    Raises SettingsError naming file and setting.
    """
    import yaml

    packaged: dict[str, Any] = yaml.safe_load((files("svta_assets.regeneration") / FILE).read_text(encoding="utf-8"))
    own = home / FILE if home else None
    if own is None or not own.is_file():
        return Automation.model_validate(packaged)
    try:
        changed = yaml.safe_load(own.read_text(encoding="utf-8")) or {}
        return Automation.model_validate(_merged(packaged, changed))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise SettingsError(f"{own}, {where}: {first['msg']}") from error
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
        raise SettingsError(f"{own} cannot be read: {error}") from error


def settings_of(work: Workspace) -> Automation:
    """The settings of a home, with its categories checked. Raises SettingsError."""
    from svta_assets.categories import UnknownCategory, category

    found = read_settings(work.home.path)
    try:
        for key in found.night.skip:
            category(key)
    except UnknownCategory as error:
        raise SettingsError(f"{work.home.path / FILE}, night.skip: {error}") from error
    return found


def _merged(defaults: dict[str, Any], changed: Any) -> dict[str, Any]:
    if not isinstance(changed, dict):
        raise TypeError(f"it holds {changed!r}, not sections with settings")
    merged = dict(defaults)
    for name, value in changed.items():
        both = isinstance(value, dict) and isinstance(defaults.get(name), dict)
        merged[name] = {**defaults[name], **value} if both else value
    return merged
