"""`svta regen`: regenerate categories, and decide about their takes."""

from typing import Any

import click

from svta_cli.plan import MODES
from svta_cli.regen_takes import DECISIONS


@click.command()
@click.argument("categories", nargs=-1)
@click.option(
    "--mode", type=click.Choice(MODES), help="Default: new_take; stale with --stale, retry_rejected with --rejected."
)
@click.option("--rejected", is_flag=True, help="Only pairs none of whose clips was accepted.")
@click.option("--stale", is_flag=True, help="Only pairs whose clip would be made differently today.")
@click.option("--below", multiple=True, metavar="SCORE=X", help="Only pairs whose clip has a lower score.")
@click.option("--above", multiple=True, metavar="SCORE=X", help="Only pairs whose clip has a higher score.")
@click.option("--only", multiple=True, metavar="ID", help="Restrict to these pairs (pair_id or clip_id).")
@click.option("--spare-test", is_flag=True, help="Leave the pairs of the test split as they are.")
@click.option("--plan", "plan_only", is_flag=True, help="Show what would be made and what follows, and stop.")
@click.option("--confirm", is_flag=True, help="Run although it takes longer than the profile allows.")
@click.option(
    "--pilot", type=click.IntRange(min=1), metavar="N", help="Make N clips of each category, then project the rest."
)
@click.option("--request", "queue", is_flag=True, help="Ask for it: the daemon's sensor runs it (`svta requests`).")
@click.option("--why", default="", help="Reason, kept with --request.")
@click.option("--compare", is_flag=True, help="Show candidates beside what stands: yield, scores, a page of pictures.")
@click.option("--promote", is_flag=True, help="Make accepted candidates current.")
@click.option("--discard", is_flag=True, help="Set candidates aside.")
@click.option("--rollback", is_flag=True, help="Undo the newest promotion.")
@click.option("--by", default=None, help="Who decides or asks (default: the user's name).")
@click.option("--verbose", is_flag=True, help="Show Dagster's own log.")
def command(
    categories: tuple[str, ...],
    plan_only: bool,
    pilot: int | None,
    queue: bool,
    why: str,
    by: str | None,
    verbose: bool,
    **options: Any,
) -> None:
    """Regenerate CATEGORIES (generation or final ones) in one run; or promote, discard or roll back their new takes.

    Filters add up: a pair is meant where one of them holds; --only restricts to some. --only alone needs no category.
    """
    from svta_assets.regeneration.selection import choose
    from svta_assets.regeneration.settle import latest_release
    from svta_assets.workspace import open_workspace
    from svta_cli.asked import asked
    from svta_cli.choices import who
    from svta_cli.pilot import run_pilot
    from svta_cli.regen_plan import show_plan
    from svta_cli.regen_run import make_and_settle, make_some, print_standing
    from svta_cli.regen_takes import decide, show_candidates

    decisions = [name for name in (*DECISIONS, "compare") if options.pop(name)]
    _refuse_contradictions(decisions, plan_only, queue, pilot is not None, options)
    if not categories and not options["only"]:
        raise click.UsageError("name categories, or pairs with --only")
    wanted, work = asked(categories, **options), open_workspace()
    chosen = choose(work, wanted.wish)
    keys = chosen.categories
    if plan_only:
        show_plan(work, wanted, chosen, pilot)
        return
    if queue:
        _ask(work, wanted, pilot or 0, who(by), why)
        return
    if not keys:
        click.echo(f"no pair is meant: {wanted.filters}" + (f"; {chosen.spared} are spared" if chosen.spared else ""))
        return
    if decisions == ["compare"]:
        show_candidates(work, keys)
        return
    if pilot:
        run_pilot(work, wanted, chosen, pilot, lambda config: make_some(work, keys, config, verbose))
        return
    before = latest_release(work)
    if decisions:
        decide(work, wanted, chosen, decisions[0], who(by))
        failure = make_and_settle(work, keys, None, verbose)
    else:
        failure = make_and_settle(work, keys, wanted.config(keys), verbose)
    print_standing(work, keys, before)
    if failure:
        raise failure


def _refuse_contradictions(
    decisions: list[str], plan_only: bool, queue: bool, pilot: bool, options: dict[str, Any]
) -> None:
    if len(decisions) + plan_only + queue > 1:
        raise click.UsageError("choose one of --plan, --request, --compare, --promote, --discard and --rollback")
    if pilot and decisions:
        raise click.UsageError(f"--pilot makes clips; it goes without --{decisions[0]}")
    if options["only"] and "rollback" in decisions:
        raise click.UsageError("--rollback undoes a whole promotion; it takes no --only")
    filters = [name for name in ("rejected", "stale", "below", "above", "mode") if options[name]]
    if decisions and filters:
        raise click.UsageError(f"--{filters[0]} chooses what to make; it goes without --{decisions[0]}")


def _ask(work: Any, wanted: Any, pilot: int, by: str, why: str) -> None:
    """Put a request on record for the sensor."""
    from svta_assets.regeneration.requests import ask

    request = ask(
        work,
        categories=wanted.words,
        filters=wanted.filters.as_dict(),
        mode=wanted.mode,
        pilot=pilot,
        include_test=wanted.include_test,
        confirm=wanted.confirm,
        by=by,
        why=why,
    )
    click.echo(f"request {request} is on record: the sensor regeneration_requests of the daemon launches it")
    click.echo("  follow it with `svta requests`, or in Dagster's UI by the run's tag svta/request")
