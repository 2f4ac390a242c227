"""Those that can be drawn: a list that takes, loses and draws members in constant time.

It knows places and weights; it must not know loads, states or why a member is in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gateway.core.balance.member import Member

_TRIES = 16  # draws until a light member is taken although a heavier one should be


class Pool:
    """Members by ``Member.place``. A draw takes each with a chance by its weight."""

    def __init__(self, random: Callable[[], float]) -> None:
        self._members: list[Member] = []
        self._random = random
        self._heaviest = 0.0  # at least the greatest weight
        self._lightest = float("inf")

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members)

    def put(self, member: Member, inside: bool) -> None:
        """Whether a member can be drawn, from now on."""
        if inside and member.place < 0:
            member.place = len(self._members)
            self._members.append(member)
            self._heaviest = max(self._heaviest, member.weight)
            self._lightest = min(self._lightest, member.weight)
        elif not inside and member.place >= 0:
            last = self._members.pop()
            if last is not member:
                self._members[member.place] = last
                last.place = member.place
            member.place = -1

    def weigh(self) -> None:
        """After weights changed."""
        weights = [member.weight for member in self._members] or [0.0]
        self._heaviest, self._lightest = max(weights), min(weights)

    def draw(self) -> Member:
        """One of them. The pool must not be empty."""
        members, random = self._members, self._random
        count = len(members)
        member = members[int(random() * count)]
        if self._heaviest > self._lightest:
            for _ in range(_TRIES):
                if random() * self._heaviest <= member.weight:
                    break
                member = members[int(random() * count)]
        return member
