"""
Internal: content steps for the tests.
"""

from collections.abc import Sequence

import attrs

from edx_ace.envelope import Parcel


def shout(parcels: Sequence[Parcel]) -> list[Parcel]:
    return [
        attrs.evolve(parcel, rendered=attrs.evolve(parcel.rendered, body=parcel.rendered.body.upper()))
        for parcel in parcels
    ]


def exclaim(parcels: Sequence[Parcel]) -> list[Parcel]:
    return [
        attrs.evolve(parcel, rendered=attrs.evolve(parcel.rendered, body=f"{parcel.rendered.body}!a"))
        for parcel in parcels
    ]


def refuse_bad(parcels: Sequence[Parcel]) -> list[Parcel]:
    if any("bad" in parcel.rendered.body for parcel in parcels):
        raise ValueError("this one is bad")
    return shout(parcels)


def lose_bad(parcels: Sequence[Parcel]) -> list[Parcel]:
    return [parcel for parcel in parcels if "bad" not in parcel.rendered.body]


def reverse(parcels: Sequence[Parcel]) -> list[Parcel]:
    return list(reversed(parcels))


def forget_to_return(parcels: Sequence[Parcel]) -> None:
    pass
