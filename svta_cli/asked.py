"""What `svta regen` was asked: names, filters and mode, as the options say them."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from svta_assets.regeneration.filters import Filters
    from svta_assets.regeneration.selection import Wish


@dataclass(frozen=True)
class Asked:
    """A regeneration as typed. `words` are keys of generation categories, and final ones as they were named."""

    words: tuple[str, ...]
    filters: "Filters"
    mode: str
    include_test: bool
    confirm: bool

    @property
    def wish(self) -> "Wish":
        from svta_assets.regeneration.selection import Wish

        return Wish(self.words, self.filters, self.include_test)

    @property
    def only_generation(self) -> bool:
        """Whether every name is a generation category's."""
        from svta_assets.categories import find_category

        return bool(self.words) and all(find_category(word) for word in self.words)

    def config(self, categories: Sequence[str] = (), pilot: int = 0) -> dict[str, Any]:
        """Run config of the job `regenerate`, for some of the generation categories where only such were named."""
        names = list(categories) if categories and self.only_generation else list(self.words)
        config: dict[str, Any] = {"categories": names, "mode": self.mode, "confirm": self.confirm}
        config |= self.filters.as_dict()
        if not self.include_test:
            config["include_test"] = False
        return {**config, "pilot": pilot} if pilot else config

    def command(self, categories: Sequence[str], confirm: bool) -> str:
        """The command that asks for the same of some categories."""
        names = list(categories) if self.only_generation else list(self.words)
        words = ["svta", "regen", *names, "--mode", self.mode]
        words += [f"--{name}" for name in ("rejected", "stale") if getattr(self.filters, name)]
        for way in ("below", "above"):
            for score, limit in getattr(self.filters, way).items():
                words += [f"--{way}", f"{score}={limit:g}"]
        for one in self.filters.only:
            words += ["--only", one]
        words += [] if self.include_test else ["--spare-test"]
        return shlex.join([*words, "--confirm"] if confirm else words)


def asked(
    words: Sequence[str],
    *,
    mode: str | None,
    rejected: bool,
    stale: bool,
    below: Sequence[str],
    above: Sequence[str],
    only: Sequence[str],
    spare_test: bool,
    confirm: bool,
) -> Asked:
    """Read the options. Without a mode, --stale alone means mode stale and --rejected alone retry_rejected.

    Raises BadFilter for a limit that cannot be read.
    """
    from svta_assets.categories import find_category
    from svta_assets.regeneration.filters import Filters, parse_limit

    filters = Filters(
        rejected, stale, dict(map(parse_limit, below)), dict(map(parse_limit, above)), tuple(dict.fromkeys(only))
    )
    names = [found.key if (found := find_category(word)) else word for word in words]
    alone = not (filters.below or filters.above)
    implied = "stale" if stale and not rejected else "retry_rejected" if rejected and not stale else None
    chosen = mode or (implied if alone and implied else "new_take")
    return Asked(tuple(dict.fromkeys(names)), filters, chosen, not spare_test, confirm)
