"""Which functions of an app run here, and by what; and why the others do not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from local.functions import Function
from local.http_trigger import HttpRoute, parse_route
from local.taskhub.function_table import FunctionTable
from local.timer_trigger import Timer, parse_timer


@dataclass(frozen=True)
class AppTriggers:
    """The triggers of an app. `refused` holds, by name, why a function does not run."""

    routes: tuple[HttpRoute, ...]
    timers: tuple[Timer, ...]
    durable: FunctionTable
    refused: Mapping[str, str]


def read_triggers(
    functions: Sequence[Function], route_prefix: str, environment: Mapping[str, str], now: datetime
) -> AppTriggers:
    """Sorts functions by their triggers. One that cannot run does not keep the others from it, as in Azure."""
    routes, timers, refused = [], [], {}
    for function in functions:
        try:
            _check(function, environment)
            if function.trigger == "httpTrigger":
                routes.append(parse_route(function, route_prefix))
            elif function.trigger == "timerTrigger":
                timers.append(parse_timer(function, environment, now))
        except ValueError as error:
            refused[function.name] = str(error)
    return AppTriggers(tuple(routes), tuple(timers), _function_table(functions, refused), refused)


def _check(function: Function, environment: Mapping[str, str]) -> None:
    if function.unsupported:
        raise ValueError(f"the embedded host has no {', '.join(function.unsupported)}")
    setting = f"AzureWebJobs.{function.name}.Disabled"
    if environment.get(setting, "").lower() in ("1", "true"):
        raise ValueError(f"the setting {setting} switches it off")


def _function_table(functions: Sequence[Function], refused: Mapping[str, str]) -> FunctionTable:
    def names(trigger: str) -> frozenset[str]:
        return frozenset(function.durable_name for function in functions if function.trigger == trigger)

    return FunctionTable(
        orchestrators=names("orchestrationTrigger"),
        activities=names("activityTrigger"),
        entities=names("entityTrigger"),
        disabled=frozenset(function.durable_name for function in functions if function.name in refused),
    )
