"""Terms of the texts' sources and of the generators, from terms.yaml."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

IMPORTED = "imported"


@dataclass(frozen=True)
class Terms:
    """What a source or generator is and under which terms it stands; `synthetic` is said of generators."""

    name: str
    title: str
    terms: str
    synthetic: bool = False

    @property
    def line(self) -> str:
        """One sentence for a list."""
        return f"{self.name}: {self.title}. Terms: {self.terms}."


@cache
def _listed() -> dict[str, Any]:
    import yaml

    loaded: dict[str, Any] = yaml.safe_load((files("svta_assets") / "exports" / "terms.yaml").read_text("utf-8"))
    return loaded


def source_terms(source: str) -> Terms:
    """Terms of a text's source."""
    found = _listed()["sources"].get(source)
    return Terms(source, **(found or {"title": "collected texts", "terms": _listed()["unknown"]}))


def generator_terms(generator: str) -> Terms:
    """Terms of a generator (`wan:wan2.1-t2v-14b?steps=30`); one that is not listed does not count as synthetic."""
    found = _listed()["generators"].get(family(generator))
    return Terms(generator, **(found or {"title": "clips of an unlisted generator", "terms": _listed()["unknown"]}))


def family(generator: str) -> str:
    """What a generator's setting begins with: wan of wan:tiny?steps=8."""
    return generator.partition("?")[0].partition(":")[0]


def synthetic_families() -> list[str]:
    """Families of generators whose clips show no real scene."""
    return sorted(name for name, facts in _listed()["generators"].items() if facts["synthetic"])


def term_lines(sources: Iterable[str | None], generators: Iterable[str | None]) -> list[str]:
    """A line for each source and generator met; null stands for one that the tables do not know."""
    met = [source_terms(name or "unknown source") for name in _distinct(sources)]
    met += [generator_terms(name or "unknown generator") for name in _distinct(generators)]
    return [one.line for one in met]


def _distinct(names: Iterable[str | None]) -> list[str | None]:
    return sorted(set(names), key=lambda name: (name is None, name or ""))
