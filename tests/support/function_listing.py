"""Lists the functions of the app as the Functions worker indexes them, as JSON. Run as a program in an empty folder.

The SDK lets an app be indexed once in a process, so this is a process of its own; like the worker it puts the app's
folder last on the path.
"""

import importlib
import inspect
import json
import sys
import typing
from typing import Any


def parameter_faults(function: Any, bindings: set[str]) -> list[str]:
    """What the worker would refuse: a binding without a parameter, or one whose annotation is no plain class."""
    parameters = inspect.signature(function).parameters
    hints = typing.get_type_hints(function)
    missing = [f"{name}: no such parameter" for name in bindings - set(parameters)]
    # The SDK's own wrapper of an entity has no annotation, which the worker lets pass.
    refused = [f"{name}: {hints[name]}" for name in bindings & set(hints) if not isinstance(hints[name], type)]
    return sorted(missing + refused)


def listing(app_folder: str) -> list[dict[str, Any]]:
    """Name, trigger, route, methods and faulty parameters of every function, in the order of their names."""
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
                "parameter_faults": parameter_faults(function.get_user_function(), bindings),
            }
        )
    return sorted(found, key=lambda entry: str(entry["name"]))


if __name__ == "__main__":
    json.dump(listing(sys.argv[1]), sys.stdout)
