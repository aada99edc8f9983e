"""The access keys of a host: what `?code=` and the header `x-functions-key` are compared with."""

import hmac
import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class AccessKeys:
    """`master` opens everything, `function` the functions of that level."""

    master: str
    function: str

    def opens(self, level: str, key: str | None) -> bool:
        """Whether a caller with the key (None: without one) may call functions of the level.

        Levels are anonymous, function and admin.
        """
        if level == "anonymous":
            return True
        accepted = [self.master, self.function] if level == "function" else [self.master]
        # bytes: compare_digest takes no text beyond ASCII.
        return any(hmac.compare_digest((key or "").encode(), right.encode()) for right in accepted)


def keep_keys(path: Path) -> AccessKeys:
    """The keys in the file, made on first use."""
    if path.exists():
        return AccessKeys(**json.loads(path.read_text()))
    keys = AccessKeys(*(secrets.token_urlsafe(32) for _ in range(2)))
    draft = path.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(asdict(keys), indent=1))
    draft.replace(path)
    return keys
