"""Which backups of one database may be deleted: thought only, no deed."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum

from shared import clock
from shared.models import Value
from shared.models.run import RunRecord


class Action(StrEnum):
    """What retention does with one backup."""

    KEEP = "keep"
    DELETE = "delete"


class Decision(Value):
    """What retention does with one backup, and why. A lock on the blob may still keep it when the time comes."""

    backup_id: str
    action: Action
    reason: str


def decide(records: Iterable[RunRecord], policy_days: int, now: datetime) -> list[Decision]:
    """One decision for each finished run of one database that has a blob, newest first.

    A backup is deleted when it is older than the policy and a verified one was made after it had expired: where backups
    stop or fail, deletion stops too. The newest verified backup stays, whatever its age.
    """
    present = sorted(
        (record for record in records if record.blob and record.status.is_final and not record.deleted_at),
        key=lambda record: (record.started_at, record.backup_id),
        reverse=True,
    )
    newest = next((record for record in present if record.is_verified), None)
    return [_decide(record, newest, timedelta(days=policy_days), now) for record in present]


def _decide(record: RunRecord, newest: RunRecord | None, policy: timedelta, now: datetime) -> Decision:
    expires_at = record.started_at + policy
    if record is newest:
        return _keep(record, "the newest verified backup is never deleted")
    if now <= expires_at:
        return _keep(record, f"kept until {clock.iso(expires_at)}")
    if newest is None:
        return _keep(record, "expired, but no verified backup exists")
    if newest.started_at < expires_at:
        return _keep(record, "expired, but no verified backup was made since")
    return Decision(backup_id=record.backup_id, action=Action.DELETE, reason=f"expired at {clock.iso(expires_at)}")


def _keep(record: RunRecord, reason: str) -> Decision:
    return Decision(backup_id=record.backup_id, action=Action.KEEP, reason=reason)
