"""The composition root: finds every trigger in the rooms and registers it in one function app.

A file in a room becomes part of the app by being there. `tests/golden/functions.txt` lists what is found, so that a new
function shows in review.
"""

import importlib
import logging
import pkgutil
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import azure.durable_functions as df
import azure.functions as func
from fastapi import APIRouter

from shared.durable import Trigger
from shared.settings import settings
from shared.web import register_routes, web_application

ROOT = Path(__file__).parent

# `http/` is a source root and not a package: a top-level package of that name would hide the standard library's.
sys.path.append(str(ROOT / "http"))

ROOMS = ("orchestrators", "activities", "entities", "timers")
TITLE = "Dilux Database Backup"


def modules(room: str) -> Iterator[ModuleType]:
    """Every module of a room, in the order of their names."""
    package = importlib.import_module(room)
    for found in pkgutil.iter_modules(package.__path__, f"{room}."):
        yield importlib.import_module(found.name)


def triggers() -> dict[str, Trigger]:
    """Every activity, plan, entity and timer of the rooms by its name. Raises where two share one."""
    found: dict[str, Trigger] = {}
    for room in ROOMS:
        for module in modules(room):
            for thing in vars(module).values():
                if isinstance(thing, Trigger) and found.setdefault(thing.name, thing) is not thing:
                    raise ValueError(f"Two triggers are named {thing.name}; the second is in {module.__name__}.")
    return found


def routers() -> list[APIRouter]:
    """The routers of the API's resources."""
    return [module.router for module in modules("api") if hasattr(module, "router")]


def product_version() -> str:
    """The version of what is deployed, from the project file that is deployed with it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return str(project["project"]["version"])


logging.getLogger().setLevel(settings().log_level)
# The SDK tells every request at INFO; what matters of them is in our own lines.
logging.getLogger("azure").setLevel(logging.WARNING)
app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
for trigger in triggers().values():
    trigger.register(app)
resources = routers()
register_routes(app, web_application(resources, title=TITLE, version=product_version()), resources)
