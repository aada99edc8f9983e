"""Lists the functions of the app as the Functions worker indexes them, as JSON. Run as a program in an empty folder.

The SDK lets an app be indexed once in a process, so this is a process of its own; like the worker it puts the app's
folder last on the path.
"""

import importlib
import json
import sys
import typing
from typing import Any


def annotation_faults(function: Any, bindings: set[str]) -> list[str]:
    """What the worker would refuse: binding parameters that are missing, or not annotated with a plain class."""
    hints = typing.get_type_hints(function)
    return sorted(
        f"{name}: {hints.get(name, 'no annotation')}" for name in bindings if not isinstance(hints.get(name), type)
    )


def listing(app_folder: str) -> list[dict[str, Any]]:
    """Name, trigger, route, methods and faulty annotations of every function, in the order of their names."""
    sys.path.append(app_folder)
    found = []
    for function in importlib.import_module("function_app").app.get_functions():
        bindings = {binding.name for binding in function.get_bindings() if binding.name != "$return"}
        trigger = function.get_trigger()
        found.append(
            {
                "name": function.get_function_name(),
                "trigger": trigger.type,
                "route": getattr(trigger, "route", None),
                "methods": sorted(method.value for method in getattr(trigger, "methods", None) or ()),
                "annotation_faults": annotation_faults(function.get_user_function(), bindings),
            }
        )
    return sorted(found, key=lambda entry: str(entry["name"]))


if __name__ == "__main__":
    json.dump(listing(sys.argv[1]), sys.stdout)
