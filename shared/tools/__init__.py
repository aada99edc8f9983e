"""Client tools of the databases: which are on this machine, and how one is run."""

from shared.tools.installed import installed_tools
from shared.tools.process import ToolProcess

__all__ = ["ToolProcess", "installed_tools"]
