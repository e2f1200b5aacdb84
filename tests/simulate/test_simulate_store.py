"""The pointer of a region: what is in force, how it came to be, and the way back."""

import dataclasses
import shutil
import tomllib
from datetime import UTC, datetime, timedelta, timezone

import pytest

from dwlim_ops.errors import BundleError
from dwlim_ops.simulate.bundle import WEIGHTS, write_bundle
from dwlim_ops.simulate.store import (
    HISTORY_LENGTH,
    history,
    pointer,
    promote,
    resolve,
    roll_back,
)

AT = datetime(2017, 6, 26, 18, tzinfo=UTC)


@pytest.fixture
def store(tmp_path, trained_bundle, monkeypatch):
    """A store with four bundles, none promoted; gives the store, its region, the ids."""
    monkeypatch.setattr("os.fsync", lambda _: None)
    ids = [write_bundle(tmp_path, dataclasses.replace(
        trained_bundle, manifest=trained_bundle.manifest.model_copy(update={"name": name})))
        for name in ("one", "two", "three", "four")]
    return tmp_path, trained_bundle.manifest.region, ids


def test_names_are_current_roles_and_ids(store):
    root, region, (one, two, *_) = store
    with pytest.raises(BundleError, match="no 'current'"):
        resolve(root, region, "current")
    promote(root, region, one, at=AT)
    promote(root, region, two, role="causal", at=AT)
    assert resolve(root, region, "current").name == one
    assert resolve(root, region, "causal").name == resolve(root, region, two).name == two
    promote(root, region, two, at=AT)
    assert resolve(root, region, "current").name == two
    assert pointer(root / region) == (two, {"causal": two})


def test_errors_list_what_exists(store):
    root, region, (one, *_) = store
    promote(root, region, one, role="meemd")
    for name in ("other", f"../{region}", ""):
        with pytest.raises(BundleError, match=rf"a role of \['meemd'\] or an id of .*'{one}'"):
            resolve(root, region, name)
    with pytest.raises(BundleError, match=one):
        promote(root, region, "other")
    with pytest.raises(BundleError, match="reserved"):
        promote(root, region, one, role="current")
    with pytest.raises(BundleError, match="no such bundle"):
        resolve(root, "nowhere", "current")


def test_the_history_tells_who_followed_whom_and_when(store):
    root, region, (one, two, *_) = store
    promote(root, region, one, at=AT)
    promote(root, region, two, role="causal")
    promote(root, region, two, at=(AT + timedelta(days=1)).astimezone(timezone(timedelta(hours=8))))
    content = tomllib.loads((root / region / "current.toml").read_text())
    assert content["history"] == [
        {"bundle": one, "role": "", "previous": "", "rolled_back": False, "promoted_at": AT},
        {"bundle": two, "role": "causal", "previous": "", "rolled_back": False},
        {"bundle": two, "role": "", "previous": one, "rolled_back": False,
         "promoted_at": AT + timedelta(days=1)}]
    assert [change.bundle for change in history(root / region)] == [one, two, two]
    with pytest.raises(ValueError, match="aware"):
        promote(root, region, one, at=AT.replace(tzinfo=None))


def test_what_is_in_force_already_is_no_change(store):
    root, region, (one, two, *_) = store
    for bundle_id in (one, two, two):
        promote(root, region, bundle_id, at=AT)
    assert len(history(root / region)) == 2
    assert roll_back(root, region, at=AT) == one


def test_two_rollbacks_go_back_two_steps_and_a_third_is_refused(store):
    root, region, (one, two, three, _) = store
    for bundle_id in (one, two, three):
        promote(root, region, bundle_id, at=AT)
    assert roll_back(root, region, at=AT) == two
    assert roll_back(root, region, at=AT + timedelta(hours=1)) == one
    assert resolve(root, region, "current").name == one
    before = (root / region / "current.toml").read_bytes()
    with pytest.raises(BundleError, match=f"nothing to go back to.*promote by id.*{two}"):
        roll_back(root, region, at=AT)
    assert (root / region / "current.toml").read_bytes() == before
    last = history(root / region)[-1]
    assert (last.bundle, last.previous, last.rolled_back) == (one, two, True)
    assert last.promoted_at == AT + timedelta(hours=1)


def test_a_promotion_after_a_rollback_is_undone_before_what_was_there(store):
    root, region, (one, two, three, four) = store
    for bundle_id in (one, two, three):
        promote(root, region, bundle_id, at=AT)
    assert roll_back(root, region, at=AT) == two
    promote(root, region, four, at=AT)
    assert [roll_back(root, region, at=AT) for _ in range(2)] == [two, one]


def test_roles_go_back_on_their_own(store):
    root, region, (one, two, three, _) = store
    promote(root, region, one, at=AT)
    promote(root, region, one, role="causal", at=AT)
    promote(root, region, two, role="causal", at=AT)
    promote(root, region, three, at=AT)
    assert roll_back(root, region, role="causal", at=AT) == one
    assert pointer(root / region) == (three, {"causal": one})
    with pytest.raises(BundleError, match="nothing to go back to"):
        roll_back(root, region, role="causal", at=AT)
    assert roll_back(root, region, at=AT) == one
    assert pointer(root / region) == (one, {"causal": one})


@pytest.mark.parametrize("fate", ["gone", "damaged", "refused"])
def test_no_way_back_to_a_bundle_that_cannot_serve(store, fate):
    root, region, (one, two, *_) = store
    promote(root, region, one, at=AT)
    promote(root, region, two, at=AT)
    if fate == "gone":
        shutil.rmtree(root / region / one)
    elif fate == "damaged":
        (root / region / one / WEIGHTS).write_bytes(b"else")

    def accept(_):
        if fate == "refused":
            raise BundleError("made for other cells", where=one)

    words = {"gone": "no such bundle", "damaged": "altered", "refused": "other cells"}[fate]
    before = (root / region / "current.toml").read_bytes()
    with pytest.raises(BundleError, match=words):
        roll_back(root, region, at=AT, accept=accept)
    assert (root / region / "current.toml").read_bytes() == before
    assert resolve(root, region, "current").name == two


def test_what_is_damaged_or_refused_is_not_promoted(store):
    root, region, (one, two, three, _) = store
    promote(root, region, one, at=AT)
    (root / region / two / "card.md").write_text("better than it is")
    with pytest.raises(BundleError, match="altered"):
        promote(root, region, two, at=AT)

    def refuse(bundle):
        raise BundleError("made for other cells", where=bundle.manifest.name)

    with pytest.raises(BundleError, match="three: made for other cells"):
        promote(root, region, three, at=AT, accept=refuse)
    assert resolve(root, region, "current").name == one
    assert len(history(root / region)) == 1


def test_a_pointer_without_history_is_read_and_gets_one(store):
    root, region, (one, two, *_) = store
    path = root / region / "current.toml"
    path.write_text(f'bundle = "{one}"\n\n[bundles]\ncausal = "{one}"\n')
    assert resolve(root, region, "current").name == resolve(root, region, "causal").name == one
    assert history(root / region) == ()
    with pytest.raises(BundleError, match="nothing to go back to"):
        roll_back(root, region, at=AT)
    promote(root, region, two, at=AT)
    assert roll_back(root, region, at=AT) == one
    assert pointer(root / region) == (one, {"causal": one})


def test_a_pointer_changed_by_hand_has_no_way_back(store):
    root, region, (one, two, three, _) = store
    promote(root, region, one, at=AT)
    promote(root, region, two, at=AT)
    path = root / region / "current.toml"
    path.write_text(path.read_text().replace(f'bundle = "{two}"', f'bundle = "{three}"', 1))
    with pytest.raises(BundleError, match=f"does not lead.*expected {two}; got {three}"):
        roll_back(root, region, at=AT)
    promote(root, region, one, at=AT)
    assert roll_back(root, region, at=AT) == three


def test_the_history_is_bounded_and_the_way_back_ends_where_it_does(store):
    root, region, ids = store
    for number in range(HISTORY_LENGTH + 9):
        promote(root, region, ids[number % 2], at=AT + timedelta(hours=number))
    changes = history(root / region)
    assert len(changes) == HISTORY_LENGTH
    assert changes[0].promoted_at == AT + timedelta(hours=9)
    for number in range(HISTORY_LENGTH // 2):
        assert roll_back(root, region, at=AT) == ids[(HISTORY_LENGTH + 9 - number) % 2]
    assert len(history(root / region)) == HISTORY_LENGTH
    with pytest.raises(BundleError, match="nothing to go back to"):
        roll_back(root, region, at=AT)


@pytest.mark.parametrize("text", ["bundle =", "history = 3", "[[history]]\nsurprise = 1",
                                  "bundles = 3"])
def test_a_pointer_that_cannot_be_read_is_named(store, text):
    root, region, (one, *_) = store
    (root / region / "current.toml").write_text(text)
    with pytest.raises(BundleError, match=r"current.toml: pointer is not readable"):
        roll_back(root, region, at=AT)
    with pytest.raises(BundleError, match="pointer is not readable"):
        promote(root, region, one, at=AT)


def test_the_pointer_is_replaced_whole(store, monkeypatch):
    root, region, (one, two, *_) = store
    promote(root, region, one, at=AT)
    before = sorted(path.name for path in (root / region).iterdir())

    def crash(*_):
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.replace", crash)
        with pytest.raises(OSError, match="disk full"):
            promote(root, region, two, at=AT)
    assert sorted(path.name for path in (root / region).iterdir()) == before
    assert resolve(root, region, "current").name == one
