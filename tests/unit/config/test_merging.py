"""The law of merging: maps deep, everything else replaces; and origins follow the values."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.config.merge import Layer, Merged, lay

NAMES = st.sampled_from(["alpha", "beta", "gamma", "delta"])
LEAVES = st.one_of(st.integers(), st.text(max_size=5), st.booleans(), st.lists(st.integers(), max_size=3))
TREES = st.dictionaries(
    NAMES, st.recursive(LEAVES, lambda inner: st.dictionaries(NAMES, inner, max_size=3), max_leaves=8), max_size=4
)


def over(below: Any, above: Any) -> Any:
    """The law, in its shortest form."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return {name: over(below.get(name), above[name]) if name in above else below[name] for name in {**below, **above}}


def merged(*layers: dict[str, Any]) -> Merged:
    """`layers` laid over each other, lowest first, named by number."""
    result = Merged()
    for number, values in enumerate(layers):
        lay(result, Layer(str(number), values, lambda path: (".".join(map(str, path)), len(path))))
    return result


@given(TREES, TREES, TREES)
def test_maps_merge_deeply_and_all_else_replaces(one: Any, two: Any, three: Any) -> None:
    """Any three layers give what the law says."""
    assert merged(one, two, three).values == over(over(over({}, one), two), three)


@given(TREES)
def test_a_layer_over_itself_changes_nothing(tree: Any) -> None:
    """Laying is idempotent."""
    assert merged(tree, tree).values == merged(tree).values


@given(TREES, TREES)
def test_layers_are_not_changed_by_laying(one: Any, two: Any) -> None:
    """The values of a layer stay as they were: nothing is shared with the result that a later layer could change."""
    before = repr((one, two))
    merged(one, two, one)
    assert repr((one, two)) == before


@given(TREES, TREES)
def test_the_last_origin_of_a_value_is_the_layer_that_set_it(one: Any, two: Any) -> None:
    """Every leaf's last origin is the highest layer that holds that path."""
    result = merged(one, two)

    def leaves(tree: Any, path: tuple[Any, ...] = ()) -> Any:
        for name, value in tree.items():
            if isinstance(value, dict):
                yield from leaves(value, (*path, name))
            else:
                yield (*path, name)

    upper = set(leaves(two))
    for path in leaves(result.values):
        assert result.origins[path][-1].layer == ("1" if path in upper else "0")


def test_origins_inside_a_replaced_list_are_of_the_new_list() -> None:
    """A shorter list leaves no origins of the items it has not."""
    result = merged({"models": {"m": {"names": ["a", "b", "c"]}}}, {"models": {"m": {"names": ["d"]}}})
    assert [origin.layer for origin in result.origins["models", "m", "names", 0]] == ["1"]
    assert ("models", "m", "names", 1) not in result.origins


def test_keys_meet_regardless_of_case() -> None:
    """The spelling of schema or lower layer is kept."""
    result = merged({"HTTP": {"Port": 1}}, {"http": {"PORT": 2}}, {"providers": {"x": {"headers": {"X-Title": "a"}}}})
    assert result.values["http"] == {"port": 2}
    lay(result, Layer("3", {"providers": {"x": {"headers": {"x-title": "b"}}}}, lambda _: ("", None)))
    assert result.values["providers"]["x"]["headers"] == {"X-Title": "b"}


def test_a_reference_to_a_secret_is_one_value() -> None:
    """`{env: A}` under `{file: b}` is not a map of both."""
    result = merged({"auth": {"pepper": {"env": "A"}}}, {"auth": {"pepper": {"file": "b"}}})
    assert result.values["auth"]["pepper"] == {"file": "b"}
