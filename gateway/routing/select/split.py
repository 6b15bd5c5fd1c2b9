"""A split: callers dealt to arms, the same caller always to the same.

Rules:
    - The arm is a function of the split's name and the caller's key alone: any gateway, at any time, deals alike.
    - Raising the weight of an arm moves callers into it and none between the others' near ends; a new name deals anew.
    - A call without the key is dealt by chance.
Not here:
    - What becomes of the arm's candidates (routing.plan): they go first, the others follow.
"""

from __future__ import annotations

from gateway.config.choice import CompiledArm, CompiledSplit
from gateway.routing.select.affinity import share_of
from gateway.routing.select.keys import value_of
from gateway.routing.select.sight import Sight


def arm_of(split: CompiledSplit, sight: Sight) -> CompiledArm:
    """The caller's arm."""
    key = value_of(sight.facts, split.by)
    point = share_of(f"{split.name}\n{key}") if key else sight.draw()
    return next((arm for arm in split.arms if point < arm.until), split.arms[-1])
