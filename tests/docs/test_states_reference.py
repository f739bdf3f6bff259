"""
Internal: that the page of states says what the code does.
"""

import re
from pathlib import Path

from edx_ace.automation import states
from edx_ace.outbox.states import ARROWS, State

PAGE = Path(__file__).parents[2] / "docs/reference/states.rst"


def test_the_page_has_every_state_of_a_scheduled_message_and_every_arrow():
    """
    And none that does not exist.
    """
    table = PAGE.read_text().split("Scheduled messages\n")[1]
    found = {}
    for row in table.split("   * - ``")[1:]:
        state, _, following = row.split("\n     - ")
        found[state.strip("`")] = set(re.findall(r"``(\w+)``", following))

    assert found == {state: set(states.ARROWS.get(state, ())) for state in states.State.values}


def test_the_page_has_every_state_and_every_arrow():
    """
    And none that does not exist.
    """
    found = {}
    table = PAGE.read_text().split("What may follow, and when\n")[1].split("\n\n")[0]
    for row in table.split("   * - ")[1:]:
        states, _, following = row.split("\n     - ")
        for state in re.findall(r"``(\w+)``", states):
            found[state] = {name for name in re.findall(r"``(\w+)``", following) if name in State.values}

    assert found == {state: set(ARROWS.get(state, ())) for state in State.values}
