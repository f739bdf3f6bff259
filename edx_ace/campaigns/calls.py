"""
Internal: calls that have a name (an idempotency key): the same one made again does nothing and answers the same.

What makes a campaign keeps its name with it; everything else does so here, for a week.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from django.db import IntegrityError, router, transaction
from django.utils.translation import gettext as _

from edx_ace.campaigns.errors import ConflictError
from edx_ace.campaigns.models import Call
from edx_ace.outbox.people import shortened

Answer = TypeVar("Answer")

#: For how long names are kept.
KEPT = timedelta(days=7)


def once(
    user: Any,
    name: str,
    idempotency_key: str | None,
    do: Callable[[], Answer],
    keep: Callable[[Answer], Any],
    find: Callable[[Any], Answer],
) -> Answer:
    """
    Return what *do* returns or, if *user* made this call under the same key before, what it returned then.

    In a transaction of the caller's, what *do* writes and that it did are one; others who make the same call wait.

    Args:
        user: Who makes the call; nobody gets another's answer by guessing a key.

        name: What is called, and about what: the same key may be used for something else.

        idempotency_key: The caller's name for the call; None or empty: it has none.

        do: What there is to do. If it raises, nothing is known under that key.

        keep: Returns what is kept of an answer: JSON, with nothing of a person in it.

        find: Returns the answer of which that was kept.

    Raises:
        ConflictError: If the call is being made at this moment, or ended in the middle.
    """
    if not idempotency_key:
        return do()
    key = shortened(f"{'' if user is None else user.pk}:{name}:{idempotency_key}")
    try:
        with transaction.atomic(router.db_for_write(Call)):
            call = Call.objects.create(key=key)
    except IntegrityError:
        before = Call.objects.filter(key=key).first()
        if before is None or before.answer is None:
            raise ConflictError(
                _("The same call is being made, or ended before it was done. Look what came of it.")
            ) from None
        return find(before.answer)
    try:
        answer = do()
    except Exception:
        # Otherwise it is taken back with all the rest.
        if not transaction.get_connection(router.db_for_write(Call)).needs_rollback:
            call.delete()
        raise
    call.answer = keep(answer)
    call.save(update_fields=["answer"])
    return answer
