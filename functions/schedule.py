"""What runs by the clock."""

from __future__ import annotations

from datetime import UTC, datetime

import settings
from accounts import sweep_accounts
from database import client
from firebase_functions import logger, scheduler_fn
from sweep import sweep


@scheduler_fn.on_schedule(
    schedule="every 5 minutes",
    region=settings.region(),
    memory=512,
    timeout_sec=300,
    max_instances=1,
)
def delete_expired(_: scheduler_fn.ScheduledEvent) -> None:
    """Delete documents whose lease has passed."""
    swept = sweep(client(), datetime.now(UTC))
    if swept.total:
        logger.info("swept", documents=swept.documents)


@scheduler_fn.on_schedule(
    schedule="every day 03:00",
    region=settings.region(),
    memory=512,
    timeout_sec=1800,
    max_instances=1,
)
def delete_idle_accounts(_: scheduler_fn.ScheduledEvent) -> None:
    """Delete the accounts of peers that have not been seen for a month."""
    deleted = sweep_accounts(datetime.now(UTC))
    if deleted:
        logger.info("idle accounts deleted", accounts=deleted)
