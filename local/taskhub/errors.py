"""Why the hub refuses an operation.

HubError
├── BadRequest       the request itself is wrong
├── NoSuchInstance   there is no instance of that id
├── InstanceGone     the instance has finished
├── InstanceExists   an instance of that id is under way
└── WrongState       the instance is in a state that does not allow it
"""


class HubError(Exception):
    """An operation was refused; nothing has changed."""


class BadRequest(HubError):
    pass


class NoSuchInstance(HubError):
    pass


class InstanceGone(HubError):
    pass


class InstanceExists(HubError):
    pass


class WrongState(HubError):
    pass
